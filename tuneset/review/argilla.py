"""A review in Argilla 2: findings to records with the settings of a dataset, and its records back to answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tuneset.review.items import OFFERED, Read, Said, beside, names, told, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuneset.review.items import Column, Items
    from tuneset.review.queue import Queue

# What its server takes in a label question: argilla-server, schemas/v1/questions.py.
FEWEST, MOST, LONGEST = 2, 500, 200
FIELDS = {
    "says": "What is asked",
    "text": "Text",
    "labels": "It is labelled",
    "before": "Before",
    "after": "After",
    "twins": "Beside it",
}
GUIDELINES = """Each record is one question that the preparation of a training set asks.

{verdicts}

Choose another label, or write another text, together with `edit`; what is filled in already is the suggestion.
"""


def write(items: Items, path: Path) -> dict[Path, bytes]:
    """Write the records (`dataset.records.from_json`) and the settings of a dataset (`rg.Settings.from_json`)."""
    asked = orjson.dumps([each.name for each in items.columns]).decode()
    records = [_record(row, items.columns, asked) for row in items.rows.iter_rows(named=True)]
    settings = path.with_name(f"{path.stem}.settings.json")
    return {path: orjson.dumps(records), settings: orjson.dumps(_settings(items.columns), option=orjson.OPT_INDENT_2)}


def _record(row: dict[str, Any], columns: list[Column], asked: str) -> dict[str, Any]:
    shown = {
        "says": row["says"] or row["rule"],
        "text": row["text"],
        "labels": told(row["labels"]),
        "before": row["before"],
        "after": row["after"],
        "twins": beside(row["twins"]),
    }
    suggested = {
        name: {"value": value, "score": None, "agent": row["rule"]} for name, value in _suggested(row, columns)
    }
    metadata = {"saw": row["saw"], "rule": row["rule"], "columns": asked}
    if row["score"] is not None:
        metadata["score"] = row["score"]
    return {
        "id": row["id"],
        "fields": {
            name: text.replace("\x00", "\ufffd") for name, text in shown.items() if text
        },  # PostgreSQL has no NUL
        "metadata": metadata,
        "suggestions": suggested,
        "responses": {},
        "vectors": {},
    }


def _suggested(row: dict[str, Any], columns: list[Column]) -> Iterator[tuple[str, Any]]:
    if not row["after"] or "\x00" in row["after"]:
        return
    if row["field"] != "/labels":
        yield "edit", row["after"]
        return
    for place, column in enumerate(columns, 1):
        if chosen := words(row["after"], column.name):
            several = _kind(column) == "multi_label_selection"
            yield f"label_{place}", chosen if several else ", ".join(chosen)


def _kind(column: Column) -> str:
    """Choose the question of a label column: labels, or a field where they are too many, too few or too long."""
    if not FEWEST <= len(column.values) <= MOST or max(map(len, column.values)) > LONGEST:
        return "text"
    return "multi_label_selection" if column.several else "label_selection"


def _settings(columns: list[Column]) -> dict[str, Any]:
    verdicts = "\n".join(f"- **{each}**: {hint}" for each, hint in OFFERED.items())
    options = [{"value": each, "text": f"{each}: {hint}"} for each, hint in OFFERED.items()]
    verdict = {"type": "label_selection", "options": options, "visible_options": len(options)}
    text = {"type": "text", "use_markdown": False}
    return {
        "guidelines": GUIDELINES.format(verdicts=verdicts),
        "fields": [_part(name, title, text, required=name == "says") for name, title in FIELDS.items()],
        "questions": [
            _part("verdict", "Verdict", verdict, required=True),
            *(_asked(place, column) for place, column in enumerate(columns, 1)),
            _part("edit", "Another text, with edit", text),
            _part("note", "Note", text),
        ],
        "metadata": [_known("rule", "Rule", "terms"), _known("score", "Score", "float")],
        "vectors": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _asked(place: int, column: Column) -> dict[str, Any]:
    kind, title = _kind(column), f"Another label, with edit: {column.name}"[:500]
    if kind == "text":
        return _part(f"label_{place}", title, {"type": "text", "use_markdown": False})
    options = [{"value": each, "text": each} for each in column.values]
    seen = min(len(options), 20) if len(options) > 3 else None
    return _part(f"label_{place}", title, {"type": kind, "options": options, "visible_options": seen})


def _part(name: str, title: str, settings: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    part = {"name": name, "title": title, "description": None, "required": required, "settings": settings}
    return part | {"type": settings["type"]}


def _known(name: str, title: str, kind: str) -> dict[str, Any]:
    return {"name": name, "title": title, "settings": {"type": kind}, "visible_for_annotators": True}


def is_export(row: Any) -> bool:
    """Say whether a row of JSON is a record of Argilla."""
    return isinstance(row, dict) and isinstance(row.get("fields"), dict) and "responses" in row


def read(content: bytes, _where: str, _: Queue) -> Read:
    """Read records as `dataset.records.to_json` writes them; a response that says its status counts if submitted."""
    loaded = orjson.loads(content)
    records = [each for each in (loaded if isinstance(loaded, list) else [loaded]) if is_export(each)]
    return Read([str(each.get("id")) for each in records], [said for each in records for said in _said(each)])


def _said(record: dict[str, Any]) -> Iterator[Said]:
    metadata = record["metadata"] if isinstance(record.get("metadata"), dict) else {}
    columns = names(metadata.get("columns"))
    for person, given in _by_person(record["responses"]).items():
        labels = {name: _words(given.get(f"label_{place}")) for place, name in enumerate(columns, 1)}
        yield Said(
            finding=str(record.get("id")),
            saw=str(metadata.get("saw")),
            verdict="".join(_words(given.get("verdict"))[:1]),
            labels={name: chosen for name, chosen in labels.items() if chosen},
            edit="".join(_words(given.get("edit"))),
            by=person,
            note="".join(_words(given.get("note"))).strip(),
        )


def _by_person(responses: Any) -> dict[str, dict[str, Any]]:
    """Turn what each question was answered into what each person has answered; drafts and discards are no answers."""
    people: dict[str, dict[str, Any]] = {}
    for question, given in responses.items() if isinstance(responses, dict) else []:
        for each in given if isinstance(given, list) else []:
            if isinstance(each, dict) and each.get("status", "submitted") == "submitted":
                person = str(each.get("user_id") or "somebody in Argilla")
                people.setdefault(person, {})[question] = each.get("value")
    return people


def _words(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]
