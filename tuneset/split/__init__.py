"""Stage 4: strata, sides, and what must not be torn apart."""

from tuneset.split.bridges import Bridges, bridging
from tuneset.split.sides import Sides, draw, place
from tuneset.split.strata import balance, strata_of

__all__ = ["Bridges", "Sides", "balance", "bridging", "draw", "place", "strata_of"]
