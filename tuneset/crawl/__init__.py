"""Pages of the web, fetched politely: what a site forbids is not asked for, and what it says about AI is obeyed."""
