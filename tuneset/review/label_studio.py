"""A review in Label Studio: findings to tasks with a labeling interface, and its exports back to answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import orjson

from tuneset.review import sheet
from tuneset.review.items import OFFERED, Read, Said, beside, names, told, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuneset.review.items import Column, Items
    from tuneset.review.queue import Queue

BUTTONS = 200  # labels that are buttons; more are a tree that can be searched
# What XML 1.0 has no way to write (https://www.w3.org/TR/xml/#charsets), and what Label Studio takes for a variable.
_UNWRITABLE = re.compile("[^\\t\\n\\r -\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def write(items: Items, path: Path) -> dict[Path, bytes]:
    """Write the tasks (Settings, Import) and the labeling interface (Settings, Labeling Interface, Code)."""
    kinds = [_kind(each) for each in items.columns]
    tasks = [_task(row, items.columns, kinds) for row in items.rows.iter_rows(named=True)]
    return {
        path: orjson.dumps(tasks, option=orjson.OPT_INDENT_2),
        path.with_name(f"{path.stem}.interface.xml"): interface(items.columns),
    }


def _task(row: dict[str, Any], columns: list[Column], kinds: list[str]) -> dict[str, Any]:
    data = {
        "finding": row["id"],
        "saw": row["saw"],
        "rule": row["rule"],
        "says": row["says"] or row["rule"],
        "text": row["text"],
        "labels": told(row["labels"]),
        "before": row["before"],
        "after": row["after"],
        "twins": beside(row["twins"]),
    }
    shown = {name: (value or "").replace("\x00", "\ufffd") for name, value in data.items()}  # PostgreSQL has no NUL
    task = {"data": shown | {"columns": [each.name for each in columns]}, "meta": {"from": "tuneset review"}}
    if not (suggested := _suggested(row, columns, kinds)):
        return task
    return task | {"predictions": [{"model_version": row["rule"], "result": suggested}]}


def _suggested(row: dict[str, Any], columns: list[Column], kinds: list[str]) -> list[dict[str, Any]]:
    if row["after"] is None or "\x00" in row["after"]:
        return []
    if row["field"] != "/labels":
        return [_result("edit", "textarea", [row["after"]])]
    chosen = [words(row["after"], each.name) for each in columns]
    return [
        _result(f"label_{place}", kind, each)
        for place, (kind, each) in enumerate(zip(kinds, chosen, strict=True), 1)
        if each
    ]


def _result(control: str, kind: str, chosen: list[str]) -> dict[str, Any]:
    name, value = {
        "choices": ("choices", chosen),
        "taxonomy": ("taxonomy", [[each] for each in chosen]),
        "textarea": ("text", chosen),
    }[kind]
    return {"from_name": control, "to_name": "text", "type": kind, "value": {name: value}}


def _kind(column: Column) -> str:
    """Choose the control of a label column: buttons, a tree, or a field where a label cannot be written in XML."""
    if any(each.startswith("$") or each != each.strip() or _UNWRITABLE.search(each) for each in column.values):
        return "textarea"
    return "choices" if len(column.values) <= BUTTONS else "taxonomy"


def interface(columns: list[Column]) -> bytes:
    """Write the labeling interface; the texts are shown as text, whatever is in them."""
    verdicts = "".join(f'\n    <Choice value="{each}" hint="{hint}"/>' for each, hint in OFFERED.items())
    asked = "".join(_control(f"label_{place}", column) for place, column in enumerate(columns, 1))
    return f"""<View>
  <Header value="$says" size="3"/>
  <Text name="text" value="$text" valueType="text"/>
  <Header value="It is labelled" size="5"/>
  <Text name="labels" value="$labels" valueType="text"/>
  <Header value="Before and after" size="5"/>
  <Text name="before" value="$before" valueType="text"/>
  <Text name="after" value="$after" valueType="text"/>
  <Header value="Beside it" size="5"/>
  <Text name="twins" value="$twins" valueType="text"/>
  <Choices name="verdict" toName="text" choice="single" required="true" showInline="true">{verdicts}
  </Choices>{asked}
  <Header value="Another text, with edit" size="5"/>
  <TextArea name="edit" toName="text" maxSubmissions="1" editable="true" rows="4"/>
  <Header value="Note" size="5"/>
  <TextArea name="note" toName="text" maxSubmissions="1" editable="true" rows="1"/>
</View>
""".encode()


def _control(name: str, column: Column) -> str:
    header = f'\n  <Header value={_quoted(f"Another label, with edit: {column.name}")} size="5"/>'
    kind = _kind(column)
    if kind == "textarea":
        most = "" if column.several else ' maxSubmissions="1"'
        return f'{header}\n  <TextArea name="{name}" toName="text"{most} editable="true" rows="1"/>'
    offered = "".join(f"\n    <Choice value={_quoted(each)}/>" for each in column.values)
    if kind == "choices":
        how = "multiple" if column.several else "single"
        return (
            f'{header}\n  <Choices name="{name}" toName="text" choice="{how}" showInline="true">{offered}\n  </Choices>'
        )
    most = "" if column.several else ' maxUsages="1"'
    return f'{header}\n  <Taxonomy name="{name}" toName="text"{most}>{offered}\n  </Taxonomy>'


def _quoted(value: str) -> str:
    return quoteattr(_UNWRITABLE.sub("\ufffd", value))


def is_export(row: Any) -> bool:
    """Say whether a row of JSON or CSV is one of Label Studio's: a task, or JSON-MIN or CSV of one."""
    return isinstance(row, dict) and ("annotations" in row or "annotation_id" in row or {"data", "meta"} <= row.keys())


def read(content: bytes, where: str, _: Queue) -> Read:
    """Read what Label Studio exports: JSON, or JSON-MIN, CSV or TSV, which leave out what was cancelled."""
    if content.lstrip()[:1] in (b"[", b"{"):
        loaded = orjson.loads(content)
        rows = loaded if isinstance(loaded, list) else [loaded]
    else:
        rows = sheet.rows(content, where)
    findings: list[str] = []
    said: list[Said] = []
    for row in rows:
        if not isinstance(row, dict):
            continue
        task = row if isinstance(row.get("data"), dict) else _whole(row)
        findings.append(_text(task["data"].get("finding")))
        said.extend(_said(task))
    return Read(findings, said)


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """Make a task of a row of JSON-MIN or CSV."""
    asked = [name for name in row if name in ("verdict", "edit", "note") or name.startswith("label_")]
    result = [{"from_name": name, "value": row[name]} for name in asked if row[name] not in ("", None)]
    annotation = {
        "completed_by": row.get("annotator"),
        "created_at": row.get("created_at"),
        "updated_at": row.get("updated_at"),
        "result": result,
    }
    return {"data": row, "annotations": [annotation] if result else []}


def _said(task: dict[str, Any]) -> Iterator[Said]:
    data, given = task["data"], task.get("annotations")
    controls = {f"label_{place}": name for place, name in enumerate(names(data.get("columns")), 1)}
    for annotation in given if isinstance(given, list) else []:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        found = annotation.get("result")
        chosen = {
            str(each.get("from_name")): _words(each.get("value"))
            for each in (found if isinstance(found, list) else [])
            if isinstance(each, dict)
        }
        yield Said(
            finding=_text(data.get("finding")),
            saw=_text(data.get("saw")),
            verdict="".join(chosen.get("verdict", [])[:1]).strip().lower(),
            labels={name: chosen[control] for control, name in controls.items() if control in chosen},
            edit="\n".join(chosen.get("edit", [])),
            by=_person(annotation.get("completed_by")),
            note=" ".join(chosen.get("note", [])).strip(),
            time=_time(annotation.get("updated_at") or annotation.get("created_at")),
        )


def _words(value: Any) -> list[str]:
    """Return what was chosen or written in a control, in any of the ways in which the exports have it.

    >>> _words({"taxonomy": [["Orders"]]}), _words('{"choices": ["a", "b"]}'), _words("a")
    (['Orders'], ['a', 'b'], ['a'])
    """
    if isinstance(value, str):
        if not re.match(r'\[?\{"(choices|taxonomy|text)":', value.replace(" ", "")):
            return [value]
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return [value]
    if isinstance(value, list):
        return [each for part in value for each in _words(part)]
    if not isinstance(value, dict):
        return []
    if "taxonomy" in value:
        return [_text(each[-1]) for each in _listed(value["taxonomy"]) if isinstance(each, list) and each]
    return [each for each in map(_text, _listed(value.get("choices", value.get("text")))) if each]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _person(given: Any) -> str:
    """Name a person: the address where the export has it, or the number that Label Studio knows them by."""
    if isinstance(given, dict):
        given = given.get("email") or given.get("username") or given.get("id")
    if given in (None, "", "None"):
        return "somebody in Label Studio"
    return f"Label Studio user {given}" if str(given).isdecimal() else str(given)


def _time(given: Any) -> str:
    """Bring a time to the form that decisions have; nothing where it is none."""
    try:
        read = datetime.fromisoformat(_text(given))
    except ValueError:
        return ""
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
