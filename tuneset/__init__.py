"""Prepare fine-tuning datasets for language models, end to end.

The data's way: get → clean → dedupe → split → judge → format → check, and publish when asked.

    dataset = tuneset.prepare("dataset.csv")    # a run folder beside the file
    dataset.summary["verdict"]                  # is it good enough, and what to do next
    dataset.findings("near-duplicate")          # what was found, row by row
    dataset.decide("3f2a", "reject")            # a person's answer; `prepare` again applies it
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneset.crawl.site import forget, scrape
    from tuneset.dataset import Dataset
    from tuneset.errors import TunesetError
    from tuneset.fetch.search import search
    from tuneset.recipe import explain
    from tuneset.run import init, peek, prepare

__version__ = "0.1.0"
__all__ = ["Dataset", "TunesetError", "explain", "forget", "init", "peek", "prepare", "scrape", "search"]

_HOME = {
    "Dataset": "tuneset.dataset",
    "TunesetError": "tuneset.errors",
    "explain": "tuneset.recipe",
    "forget": "tuneset.crawl.site",
    "init": "tuneset.run",
    "peek": "tuneset.run",
    "prepare": "tuneset.run",
    "scrape": "tuneset.crawl.site",
    "search": "tuneset.fetch.search",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `tuneset --help` needs none of it."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'tuneset' has no attribute {name!r}")
