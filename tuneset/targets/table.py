"""What each target asks for: dated data from targets.toml, and from packages that bring targets of their own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

from tuneset.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_SEVERITIES = ("errors", "warnings", "fine")


@dataclass(frozen=True)
class Target:
    """What one platform, or a family that reads the same file, asks for; true on `checked_on`.

    What each field means stands at the top of targets.toml.
    """

    name: str
    title: str
    shape: str
    checked_on: date
    sources: tuple[str, ...]
    roles: frozenset[str]
    keys: frozenset[str]
    message_keys: frozenset[str]
    status: str = ""
    images: bool = False
    max_images: int = 0  # in an example; 0: none is known, as for the other limits
    max_image_bytes: int = 0
    image_kinds: tuple[str, ...] = ()  # media types of data URLs (none: any)
    image_parts: bool = False  # whether all contents are lists of parts where one is
    image_urls: tuple[str, ...] = ()  # what the URL of an image may begin with (none: anything)
    named: frozenset[str] = frozenset()  # roles whose messages may have a name (none: all)
    speakers: tuple[str, ...] = ()  # the names that ShareGPT's rows may have for who speaks (none: all that are known)
    foreign: frozenset[str] = frozenset()  # keys that make a row one of another shape there
    max_turns: int = 0
    arguments: Literal["string", "object"] = "string"
    messages: bool = False
    lists: bool = False  # whether a .json file that is one list of rows is read, too
    reserved: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()  # keys that every row has, or none
    empty: tuple[str, ...] = ()  # those of them that a row without any is given, empty
    beside: tuple[str, ...] = ()  # keys that only this shape has
    files: tuple[str, ...] = ()  # what is written beside the rows
    min_rows: int = 1
    max_rows: int = 0
    max_validation_rows: int = 0
    validation_share: float = 0  # most validation rows as a share of the train rows (0: any) ...
    validation_from: int = 0  # ... of which so many are taken whatever the share
    max_bytes: int = 0
    max_tokens: int = 0  # a longer example is cut from the end, where the answer is
    errors: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()
    fine: frozenset[str] = frozenset()

    def severity(self, rule: str, usual: str | None) -> str | None:
        """Say how grave a rule is here, which usually is `usual`; None where it is fine."""
        if rule in self.errors:
            return "error"
        if rule in self.warnings:
            return "warning"
        return None if rule in self.fine else usual


def made(name: str, table: Mapping[str, Any]) -> Target:
    """Make a target of a table such as those of targets.toml; an unknown or missing key is an error of ours or a package's."""
    kinds = {field.name: str(field.type) for field in fields(Target)}
    values: dict[str, Any] = {
        key: frozenset(value) if "frozenset" in kinds[key] else tuple(value) if isinstance(value, list) else value
        for key, value in table.items()
    }
    return Target(name=name, **values)


@cache
def _targets() -> dict[str, Target]:
    written = resources.files("tuneset.targets").joinpath("targets.toml").read_text(encoding="utf-8")
    tables: dict[str, Mapping[str, Any]] = dict(tomllib.loads(written))
    for entry in sorted(entry_points(group="tuneset.targets"), key=lambda entry: entry.name):
        tables[entry.name] = entry.load()
    return {name: made(name, table) for name, table in tables.items()}


TARGETS: Mapping[str, Target] = _targets()


def target(name: str, where: str = "--target") -> Target:
    """Return a target by its name.

    >>> target("openai").title
    'OpenAI, supervised'
    >>> target("opnai")
    Traceback (most recent call last):
    ...
    tuneset.errors.RecipeError: unknown target 'opnai'
      at   --target
      try  'openai' (tuneset targets lists them all)
    """
    if name not in TARGETS:
        raise unknown("target", name, TARGETS, where, "tuneset targets lists them all")
    return TARGETS[name]
