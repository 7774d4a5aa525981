"""Write docs/benchmarks.md and its drawings from what `bench/run.py` found; nothing on the page is written by hand twice."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tables import OURS, Table, compared, number, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Benchmarks

`make bench` measures all of this again and writes this page. Each way is a process of its own, in turn on one machine:
{machine}, {dates}. Seconds differ from machine to machine, and other work was done on this one at the same time, so only
what stands in one table can be compared. MiB is the peak of the process and its children. [Performance](performance.md)
says what was learned from it, [how often the steps are right](quality.md) has the figures that are held to floors.

The packages beside us are pinned in `bench/peers/requirements.txt` and live in an environment of their own. Each has the
settings of its own documentation that suit short texts. The best figure of a column is bold, whoever has it. If a package
can do better than shown here, tell us how, and it will.

## In short

{short}

## What was promised

{promises}
"""
WIDE, LABEL, ROW, BAR = 640, 170, 26, 380
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.o{fill:#0969da}.p{fill:#afb8c1}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.o{fill:#58a6ff}.p{fill:#484f58}}"
)


def write(results: dict[str, Any], parts: tuple[str, ...], folder: Path = DOCS) -> None:
    """Write the page and a drawing for each table that asks for one."""
    for name, text in files(results, parts).items():
        (folder / name).write_text(text, encoding="utf-8")


def files(results: dict[str, Any], parts: tuple[str, ...]) -> dict[str, str]:
    """Make the page and its drawings: names of files and what stands in them."""
    found = [results["parts"][part] for part in parts if part in results["parts"]]
    made = [table for part in found for table in tables_of(part)]
    dates = sorted({part["date"] for part in found})
    head = HEAD.format(
        machine=" and ".join(sorted({part["machine"] for part in found})),
        dates=" to ".join(dict.fromkeys((dates[0], dates[-1]))),
        short=_short(made),
        promises=_promises(made),
    )
    drawn = {f"bench-{_slug(table.title)}.svg": _drawing(table) for table in made if table.chart}
    return {"benchmarks.md": head + "\n" + "\n".join(map(_section, made))} | drawn


def _short(tables: list[Table]) -> str:
    lines = [line for table in tables for line in compared(table)]
    lost = [line for line in lines if line.wins not in (OURS, "equal")]
    won = sum(line.wins == OURS for line in lines)
    words = [
        f"Of {len(lines)} figures tuneset is better in {won}, equal in {len(lines) - won - len(lost)}, worse in {len(lost)}"
    ]
    if not lost:
        return words[0] + "."
    rows = [
        [line.table, line.column, number(line.ours), f"{line.best}: {number(line.others[line.best])}"] for line in lost
    ]
    return words[0] + ":\n\n" + _markdown(["where another wins", "figure", "tuneset", "the best other"], rows)


def _promises(tables: list[Table]) -> str:
    return _markdown(
        ["what", "figure", "promised", ""],
        [
            [f"{table.title}: {each.what}", number(each.figure), each.limit, "holds" if each.holds else "**missed**"]
            for table in tables
            for each in table.promises
        ],
    )


def _section(table: Table) -> str:
    columns = [column for column in table.better if any(column in said for said in table.ways.values())]
    wins = {line.column: line.wins for line in compared(table)}
    rows = [
        [way, *(_cell(said[column], bold=wins.get(column) == way) if column in said else "" for column in columns)]
        for way, said in table.ways.items()
        if isinstance(said, dict)
    ]
    absent = [f"- {way}: {said}" for way, said in table.ways.items() if isinstance(said, str)]
    drawing = [f"![{table.title}: {table.chart}](bench-{_slug(table.title)}.svg)"] if table.chart else []
    parts = [
        f"## {table.title}",
        table.about,
        _markdown(["", *columns], rows) if rows else "",
        *drawing,
        "\n".join(absent),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _cell(figure: float, *, bold: bool) -> str:
    return f"**{number(figure)}**" if bold else number(figure)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    line = ["| " + " | ".join(cells) + " |" for cells in (head, ["---", *["---:"] * (len(head) - 1)], *rows)]
    return "\n".join(line)


def _drawing(table: Table) -> str:
    """Draw a bar for each way, the longest first where more is better; colours follow the reader's light or dark."""
    figures = {
        way: said[table.chart] for way, said in table.ways.items() if isinstance(said, dict) and table.chart in said
    }
    ordered = sorted(figures, key=figures.__getitem__, reverse=table.better[table.chart] == "more")
    most = max(figures.values()) or 1
    better = {"more": "longer is better", "less": "shorter is better"}[table.better[table.chart]]
    height = ROW * (len(ordered) + 1) + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height}" width="{WIDE}" height="{height}" role="img">',
            f"<title>{escape(table.title)}: {escape(table.chart)}</title><style>{STYLE}</style>",
            f'<text x="{LABEL}" y="18">{escape(table.chart)} ({better})</text>',
            *_bars(ordered, figures, most),
            "</svg>\n",
        ]
    )


def _bars(ordered: list[str], figures: dict[str, float], most: float) -> Iterator[str]:
    for place, way in enumerate(ordered, 1):
        top, wide = ROW * place + 4, max(1, round(BAR * figures[way] / most))
        kind = "o" if way.startswith(OURS) else "p"
        yield f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(way)}</text>'
        yield f'<rect class="{kind}" x="{LABEL}" y="{top}" width="{wide}" height="{ROW - 8}" rx="2"/>'
        yield f'<text x="{LABEL + wide + 6}" y="{top + 14}">{number(figures[way])}</text>'


def _slug(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split())
