"""More examples from a model: asking it, within a budget, with nothing asked twice."""

from tuneset.generate.asked import Answer, Model, Reply, Request, Usage
from tuneset.generate.budget import Budget
from tuneset.generate.client import Progress, ask_many

__all__ = ["Answer", "Budget", "Model", "Progress", "Reply", "Request", "Usage", "ask_many"]
