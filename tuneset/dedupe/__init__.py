"""Stage 3: examples that are the same, nearly the same, the same in other words, or the same with another answer."""

from tuneset.dedupe.against import Contamination
from tuneset.dedupe.exact import ConflictingLabel, ExactDuplicate
from tuneset.dedupe.nearly import NearDuplicate
from tuneset.dedupe.semantic import SemanticDuplicate
from tuneset.generate.copies import SeedCopy

__all__ = [
    "STEPS",
    "ConflictingLabel",
    "Contamination",
    "ExactDuplicate",
    "NearDuplicate",
    "SeedCopy",
    "SemanticDuplicate",
]

# Copies that a model wrote go first: of two rows that are the same the real one stays.
STEPS = (Contamination, SeedCopy, ExactDuplicate, ConflictingLabel, NearDuplicate, SemanticDuplicate)
