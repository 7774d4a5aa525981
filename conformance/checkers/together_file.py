"""Together's own check of a file before it is uploaded, as its client had it until 2.14."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lines import Problem, main
from together.lib.utils.files import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(path: Path) -> Iterator[Problem]:
    """Ask for a report; it stops at the first problem."""
    report = check_file(path)
    if not report["is_check_passed"]:
        says = str(report.get("message") or {key: value for key, value in report.items() if value is False})
        line = re.search(r"\bline (?:number )?(\d+)", says)
        yield Problem(int(line[1]) if line else None, says)


main(check)
