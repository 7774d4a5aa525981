"""Write the pages that come from docstrings and --help; with --check, only say which of them are out of date."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import tomli_w

from tuneset import recipe, step
from tuneset.cli import main as tuneset
from tuneset.targets import RULES, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DOCS = Path(__file__).parent
SHOWN = 2  # groups of rows on which a step speaks, and on which it is silent


def steps_page() -> str:
    """Describe every step, stage by stage, in the order in which they run."""
    stages = {
        stage: [recipe.steps()[rule] for rule in recipe.default_steps(stage)] for stage in recipe.STAGES_WITH_STEPS
    }
    parts = [
        "# Steps",
        "What each step says about an Example, and how to change it in `recipe.toml`. `tuneset explain RULE` shows the same words.",
        _tasks(kind for kinds in stages.values() for kind in kinds),
    ]
    for stage, kinds in stages.items():
        parts += [f"## {stage}"] * bool(kinds)
        parts += [_step(stage, kind) for kind in kinds]
    parts.append("## Said by reading and by splitting")
    parts += ["\n\n".join(_words(rule)) for rule in recipe.RULES_WITHOUT_STEP]
    return "\n\n".join(parts) + "\n"


def _tasks(kinds: Iterable[Any]) -> str:
    """Say in one table which step is for which task."""
    rows = []
    for kind in kinds:
        tasks = getattr(kind, "tasks", step.TASKS)
        rows.append([f"[{kind.rule}](#{kind.rule})", *("yes" if task in tasks else "" for task in step.TASKS)])
    return _table(["step", *step.TASKS], rows)


def _step(stage: str, kind: Any) -> str:
    values = {name: value for name, value in step.parameters(kind()).items() if value is not None}
    parts = [
        *_words(kind.rule),
        _shown("It speaks on", getattr(kind, "speaks", ())),
        _shown("It says nothing on", getattr(kind, "silent", ())),
        f"```toml\n{tomli_w.dumps({stage: {kind.rule: values}}).strip()}\n```" if values else "",
    ]
    return "\n\n".join(filter(None, parts))


def _words(rule: str) -> list[str]:
    page = recipe.explain(rule)[0]
    return [f"### {rule}", page["title"], _as_markdown(page["text"])]


def _as_markdown(text: str) -> str:
    """Give `Limits: ...` a paragraph of its own, and each doctest, which runs up to the next blank line, a fence."""
    apart = re.sub(r"\n+(?=[A-Z][a-z ]{2,20}: )", "\n\n", text)
    return re.sub(r"(?ms)^>>> .*?(?=\n\n|\Z)", lambda found: f"```pycon\n{found[0].rstrip()}\n```", apart)


def _shown(words: str, groups: Sequence[Sequence[str | Mapping[str, str]]]) -> str:
    """Show the first groups of rows as JSON, where an invisible character is an escape that can be seen."""
    rows = [[{"text": row} if isinstance(row, str) else row for row in group] for group in groups[:SHOWN]]
    lines = "\n\n".join("\n".join(json.dumps(row, ensure_ascii=True) for row in group) for group in rows)
    return f"{words}:\n\n```json\n{lines}\n```" if lines else ""


def commands_page() -> str:
    """Give the help of `tuneset` and of each of its commands, word for word."""
    group = click.Context(tuneset, info_name="tuneset", **_wide())
    parts = ["# Commands", "The words of `tuneset --help` and of each command's own `--help`.", _help(group)]
    for name, command in sorted(tuneset.commands.items()):
        if not command.hidden:
            parts += [f"## {name}", _help(click.Context(command, group, name, **_wide()))]
    return "\n\n".join(parts) + "\n"


def _wide() -> dict[str, Any]:
    """Take a terminal of the greatest width that the help fills, whatever the terminal of today."""
    return {**tuneset.context_settings, "terminal_width": tuneset.context_settings["max_content_width"]}


def _help(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```"


def targets_page() -> str:
    """Say what each target asks for, since when that is known and from where, and what its check finds."""
    parts = [
        "# Targets",
        "What trainers and platforms ask of a file. `tuneset prepare` checks each line that it has written.",
    ]
    for name, target in TARGETS.items():
        asked = [
            f"as read on {target.checked_on}",
            f"roles: {', '.join(sorted(target.roles))}",
            f"at least {target.min_rows} examples",
            f"at most {target.max_bytes:,} bytes a file and {target.max_tokens:,} tokens an example",
            *(f"source: <{source}>" for source in target.sources),
        ]
        parts += [f"## {name}", "\n".join(f"- {line}" for line in asked)]
    rows = ([name, rule.severity, rule.mend.replace("|", r"\|")] for name, rule in RULES.items())
    parts += ["## What the check finds", _table(["problem", "weight", "what to do"], rows)]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


PAGES: dict[str, Callable[[], str]] = {"commands.md": commands_page, "steps.md": steps_page, "targets.md": targets_page}


def main(*, check: bool) -> int:
    """Write what has changed, or say what would change; 1 where a page is out of date."""
    pages = {DOCS / name: write() for name, write in PAGES.items()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.name}: out of date, `make docs` writes it again" if check else f"{path.name}: written")
        if not check:
            path.write_text(pages[path], encoding="utf-8", newline="\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
