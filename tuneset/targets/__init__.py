"""What trainers read: one dated table of targets, the rules for their files, and how a row is fitted to them."""

from tuneset.targets.rules import RULES, check
from tuneset.targets.table import TARGETS

__all__ = ["RULES", "TARGETS", "check"]
