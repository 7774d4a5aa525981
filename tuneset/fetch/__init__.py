"""Fetch what an address names into plain local files: datasets of the Hub and Kaggle, files of the web and of storage, queries."""

from tuneset.fetch.addresses import fetch, is_address
from tuneset.fetch.fetched import About, Event, Fetched, folder_name, written
from tuneset.fetch.licences import forbids

__all__ = [
    "About",
    "Event",
    "Fetched",
    "fetch",
    "folder_name",
    "forbids",
    "is_address",
    "written",
]
