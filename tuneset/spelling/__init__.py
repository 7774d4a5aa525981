"""Words and how they are spelled: a dictionary, a set's own counts, what lies one edit away, and what was meant."""
