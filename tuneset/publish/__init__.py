"""Send an export where it is trained or shared, when a person says so: what would be sent first, then once, with resume."""

from tuneset.publish.http import Event
from tuneset.publish.planned import Item, Plan, plan
from tuneset.publish.sending import publish

__all__ = ["Event", "Item", "Plan", "plan", "publish"]
