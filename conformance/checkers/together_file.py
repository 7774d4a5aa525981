"""Together's own check of a file before it is uploaded, as its client had it until 2.14."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lines import REFUSALS, Problem, main, words
from together.lib.utils.files import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(path: Path) -> Iterator[Problem]:
    """Ask for a report; it stops at the first problem, and falls over what it does not foresee."""
    try:
        report = check_file(path)
    except REFUSALS as error:
        yield Problem(None, words(error))
        return
    if not report["is_check_passed"]:
        says = str(report.get("message") or {key: value for key, value in report.items() if value is False})
        line = re.search(r"\bline (?:number )?(\d+)", says)
        yield Problem(int(line[1]) if line else None, says)


main(check)
