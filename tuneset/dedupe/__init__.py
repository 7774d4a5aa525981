"""Stage 3: examples that are the same, nearly the same, the same in other words, or the same with another answer."""

from tuneset.dedupe.against import Contamination
from tuneset.dedupe.exact import ConflictingLabel, ExactDuplicate
from tuneset.dedupe.nearly import NearDuplicate
from tuneset.dedupe.semantic import SemanticDuplicate

__all__ = ["STEPS", "ConflictingLabel", "Contamination", "ExactDuplicate", "NearDuplicate", "SemanticDuplicate"]

STEPS = (Contamination, ExactDuplicate, ConflictingLabel, NearDuplicate, SemanticDuplicate)
