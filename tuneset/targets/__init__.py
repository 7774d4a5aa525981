"""Forms that trainers read: a module per shape of row, one dated table of rules for all of them."""

from tuneset.targets.rules import RULES, TARGETS, check

__all__ = ["RULES", "TARGETS", "check"]
