"""Stage 4: strata, sides, and what must not be torn apart."""

from tuneset.split.bridges import Bridges, bridging
from tuneset.split.sides import Sides, draw, place
from tuneset.split.strata import balance, strata_of
from tuneset.split.ties import Ties, pinned, ties

__all__ = ["Bridges", "Sides", "Ties", "balance", "bridging", "draw", "pinned", "place", "strata_of", "ties"]
