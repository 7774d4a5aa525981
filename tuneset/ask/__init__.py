"""Asking a model: within a budget, with nothing asked twice, and as fast as its server bears."""

from tuneset.ask.asked import Answer, Model, Reply, Request, Usage
from tuneset.ask.batch import batched
from tuneset.ask.budget import Budget
from tuneset.ask.client import Progress, ask_many
from tuneset.ask.dry import Estimate, dry_run

__all__ = [
    "Answer",
    "Budget",
    "Estimate",
    "Model",
    "Progress",
    "Reply",
    "Request",
    "Usage",
    "ask_many",
    "batched",
    "dry_run",
]
