"""What people type and paste into forms: tables and numbers."""

from __future__ import annotations

import csv
import io

from tuneset.errors import RecipeError


def table(pasted: str, where: str = "the table") -> list[dict[str, str]]:
    r"""Read a table with a header, as spreadsheets of different countries write and copy it: with commas, semicolons or tabs.

    Errors: RecipeError for what is no table.

    >>> table("Text;Label\nhello, you;orders")
    [{'Text': 'hello, you', 'Label': 'orders'}]
    """
    first = pasted.lstrip("\n").partition("\n")[0]
    apart = max(",;\t", key=first.count)
    try:
        rows = list(csv.DictReader(io.StringIO(pasted), delimiter=apart, restval=""))
    except csv.Error as error:
        raise RecipeError(f"this is no table: {error}", where, "paste a CSV file") from error
    return [{name: value for name, value in row.items() if name} for row in rows]


def number(typed: str, otherwise: int, what: str, least: int = 0, most: int = 999_999_999) -> int:
    """Read a whole number; what is left out is `otherwise`.

    Errors: RecipeError for what is no number, or lies outside of `least` and `most`.

    >>> number(" 12 ", 1, "people"), number("", 1, "people")
    (12, 1)
    """
    told = typed.strip()
    if told and not (told.isdecimal() and len(told) <= 9 and least <= int(told) <= most):
        hint = f"write a whole number in digits, from {least:,} to {most:,}"
        raise RecipeError(f"{what}: {told[:40]!r} is no number that fits", "the form", hint)
    return int(told or otherwise)
