"""Texts that are nearly the same: character 3-grams, Jaccard similarity, every pair compared exactly."""

from tuneset.near.across import cross_pairs, nearest
from tuneset.near.bands import pairs
from tuneset.near.grams import Pairs, Sets, normal, sets
from tuneset.near.graph import components, greedy

__all__ = ["Pairs", "Sets", "components", "cross_pairs", "greedy", "nearest", "normal", "pairs", "sets"]
