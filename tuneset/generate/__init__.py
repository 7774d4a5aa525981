"""Synthetic examples: what is missing, how a model is asked for it, and what is made of its answers."""
