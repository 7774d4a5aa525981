"""What is wrong with files as SARIF, which code hosts show beside the lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneset import __version__

if TYPE_CHECKING:
    from tuneset.targets.files import Checked


def sarif(checked: Checked) -> dict[str, Any]:
    """Write the problems as SARIF 2.1.0, which code hosts show beside the lines.

    Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
    """
    mends = dict(checked.problems.select("rule", "mend").sort("rule").iter_rows())
    results = [
        {
            "ruleId": row["rule"],
            "level": row["severity"],
            "message": {"text": f"{row['says']}; {row['mend']}"},
            "locations": [_location(row["file"], row["line"])],
        }
        for row in checked.problems.iter_rows(named=True)
    ]
    described = [
        {
            "id": rule,
            "shortDescription": {"text": rule.replace("-", " ")},
            "help": {"text": mend},
        }
        for rule, mend in mends.items()
    ]
    driver = {"name": "tuneset", "version": __version__, "rules": described}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _location(file: str, line: int | None) -> dict[str, Any]:
    region = {} if line is None else {"region": {"startLine": line}}
    return {"physicalLocation": {"artifactLocation": {"uri": Path(file).as_posix()}, **region}}
