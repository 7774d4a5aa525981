"""Stage 5: are the labels right, do the rows belong, and is the set as a whole varied, like what will come, and enough."""

from tuneset.judge.labels import LabelError
from tuneset.judge.relevance import FarCluster, Irrelevant

__all__ = ["STEPS", "FarCluster", "Irrelevant", "LabelError"]

STEPS = (LabelError, Irrelevant, FarCluster)
