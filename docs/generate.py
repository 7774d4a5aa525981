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
from tuneset.ends import EXITS
from tuneset.shapes import SHAPES
from tuneset.targets import RULES, TARGETS
from tuneset.targets.mend import MENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tuneset.targets.table import Target

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
    said = (
        "The words of `tuneset --help` and of each command's own `--help`; at the end, the [exit codes](#exit-codes)."
    )
    parts = ["# Commands", said, _help(group)]
    for name, command in sorted(tuneset.commands.items()):
        if not command.hidden:
            parts += [f"## {name}", _help(click.Context(command, group, name, **_wide()))]
    parts += ["## Exit codes", "What a script or CI sees when a command ends."]
    parts.append(_table(["code", "what it says"], [[str(code), words] for code, words in EXITS.items()]))
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
        "What trainers and platforms ask of a file. `tuneset export RUN --target NAME` writes one, `tuneset check FILE --target NAME` checks any.",
        "The facts come from one dated table, `tuneset/targets/targets.toml`; [a target of your own](own-targets.md) is one more.",
        _table(
            ["target", "what it is", "row", "system", "turns", "tools", "weights", "images", "rows"],
            [_overview(target) for target in TARGETS.values()],
        ),
        *[part for name, target in TARGETS.items() for part in (f"## {name}", _target(target))],
        "## What the check finds",
        "Usually; the targets that weigh a problem otherwise are named.",
    ]
    rows = (
        [
            name,
            rule.severity,
            rule.mend.replace("|", r"\|"),
            _otherwise(name, rule.severity),
            _yes(name in MENDS),
        ]
        for name, rule in RULES.items()
    )
    parts.append(_table(["problem", "weight", "what to do", "otherwise", "mended"], rows))
    return "\n\n".join(parts) + "\n"


def _overview(target: Target) -> list[str]:
    """Say in one line of a table what a target can carry."""
    most = f"{target.min_rows:,} to {target.max_rows:,}" if target.max_rows else f"{target.min_rows:,} or more"
    return [
        f"[{target.name}](#{target.name})",
        target.title,
        SHAPES[target.shape].NAME if target.shape in SHAPES else "columns",
        _yes("system" in target.roles),
        {0: "any"}.get(target.max_turns, str(target.max_turns)) if "user" in target.roles else "",
        _yes("tools" in target.keys),
        _yes("weight" in target.message_keys),
        _yes(target.images),
        most,
    ]


def _yes(holds: object) -> str:
    return "yes" if holds else ""


def _target(target: Target) -> str:
    asked = [
        f"{target.title}, as read on {target.checked_on}",
        f"roles: {', '.join(sorted(target.roles))}",
        f"beside the messages: {', '.join(sorted(target.keys)) or 'nothing'}",
        *([f"at most {target.max_bytes:,} bytes a file"] if target.max_bytes else []),
        *([f"at most {target.max_tokens:,} tokens an example"] if target.max_tokens else []),
        *([f"at most {target.max_images} images an example"] if target.max_images else []),
        *([f"at most {target.max_image_bytes / 1e6:.0f} MB an image"] if target.max_image_bytes else []),
        *([f"at most {target.max_validation_rows:,} validation rows"] if target.max_validation_rows else []),
        *(
            [
                f"more than {target.validation_from:,} validation rows only up to {target.validation_share * 100:.0f} % of the train rows"
            ]
            if target.validation_share
            else []
        ),
        *(
            [f"words that make a job fail: {', '.join(f'`{word}`' for word in target.reserved)}"]
            if target.reserved
            else []
        ),
        *([f"beside the rows: {', '.join(f'`{name}`' for name in target.files)}"] if target.files else []),
        *(f"source: <{source}>" for source in target.sources),
    ]
    said = f"{target.status[:1].upper()}{target.status[1:]}.\n\n" if target.status else ""
    return said + "\n".join(f"- {line}" for line in asked)


def _otherwise(rule: str, usual: str) -> str:
    """Name the targets that weigh a rule otherwise."""
    groups: dict[str, list[str]] = {}
    for name, target in TARGETS.items():
        here = target.severity(rule, usual) or "fine"
        if here != usual:
            groups.setdefault(here, []).append(name)
    return "; ".join(f"{here}: {', '.join(names)}" for here, names in sorted(groups.items()))


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
