"""More examples from a model: asking it, within a budget, with nothing asked twice."""

from tuneset.generate.asked import Answer, Model, Reply, Request, Usage
from tuneset.generate.budget import Budget
from tuneset.generate.client import Progress, ask_many
from tuneset.generate.dry import Estimate, dry_run

__all__ = ["Answer", "Budget", "Estimate", "Model", "Progress", "Reply", "Request", "Usage", "ask_many", "dry_run"]
