"""Where steps are run: in this process, through Daft, or on the machines of a Ray cluster. What they say is the same."""

from tuneset.engines.choose import LOCAL, Engine, Local, engine

__all__ = ["LOCAL", "Engine", "Local", "engine"]
