"""Stage 2: repair what is certain, and drop what has nothing to learn from."""

from tuneset.clean.steps import (
    STEPS,
    EmptyText,
    EncodingDamage,
    InvisibleCharacters,
    Markup,
    MissingLabel,
    WhiteSpace,
)

__all__ = ["STEPS", "EmptyText", "EncodingDamage", "InvisibleCharacters", "Markup", "MissingLabel", "WhiteSpace"]
