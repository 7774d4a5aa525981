"""Ask Label Studio's and Argilla's own packages whether what goes out is theirs, and record what they write back.

Neither is a dependency: each has an environment of its own, in which this is run after `export` has written its files:

    python -m venv LS && LS/bin/pip install label-studio-sdk && LS/bin/python tests/exchange_oracle.py label-studio OUT.json
    python -m venv RG && RG/bin/pip install argilla requests && RG/bin/python tests/exchange_oracle.py argilla OUT.json

What it writes into tests/exchange is read by tests/test_review_exchange.py.
"""

import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

RECORDED = Path(__file__).parent / "exchange"
PEOPLE = ["ann@example.org", "bob@example.org"]


def label_studio(path):
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    tasks, config = (
        json.loads(path.read_bytes()),
        path.with_name(f"{path.stem}.interface.xml").read_text(encoding="utf-8"),
    )
    interface = LabelInterface(config)
    interface.validate()
    predictions = [each for task in tasks for each in task.get("predictions", [])]
    assert all(interface.validate_task({"data": task["data"]}) for task in tasks)
    wrong = [said for each in predictions for said in interface.validate_prediction(each, return_errors=True)]
    assert not wrong, wrong[:3]
    odd = {
        "result": [{"from_name": "label_1", "to_name": "text", "type": "choices", "value": {"choices": ["nobody's"]}}]
    }
    assert interface.validate_prediction(odd, return_errors=True)  # it does tell
    edited = next(place for place, task in enumerate(tasks) if task["data"]["rule"] == "label-error")
    few = [tasks[edited], *[task for task in tasks if task["data"]["rule"] == "typo"][:3]]
    for number, task in enumerate(few, 1):
        task |= {"id": number, "annotations": annotations(number), "drafts": []}
        task.pop("predictions", None)
        assert all(interface.validate_annotation(each) for each in task["annotations"])
    (RECORDED / "label-studio.json").write_text(json.dumps(few, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        for kind, name in (("JSON_MIN", "json"), ("CSV", "csv")):
            out = Path(folder) / kind
            Converter(config, folder, download_resources=False).convert(
                RECORDED / "label-studio.json", out, kind, is_dir=False
            )
            made = out / "result.json" if kind == "JSON_MIN" else next(out.glob("*.csv"))
            shutil.copy(
                made, RECORDED / f"label-studio-min.{name}" if kind == "JSON_MIN" else RECORDED / "label-studio.csv"
            )
    sys.stdout.write(
        f"label-studio-sdk {version('label-studio-sdk')}: {len(tasks)} tasks, {len(predictions)} predictions are valid\n"
    )


def annotations(number):
    """Answer the first with another label, the next with a text, accept the third with a note, cancel the last."""
    chosen = {
        1: [
            ("verdict", "choices", "edit"),
            ("label_1", "choices", "Order Management"),
            ("label_2", "choices", "Cancellation"),
        ],
        2: [("verdict", "choices", "edit"), ("edit", "text", 'did you get "it"?\nyes')],
        3: [("verdict", "choices", "accept"), ("note", "text", "clear")],
        4: [],
    }[number]
    result = [
        {
            "id": f"r{place}",
            "from_name": name,
            "to_name": "text",
            "type": "textarea" if kind == "text" else kind,
            "value": {kind: [value]},
        }
        for place, (name, kind, value) in enumerate(chosen)
    ]
    by = {"id": number % 2 + 1, "email": PEOPLE[number % 2], "first_name": "", "last_name": ""}
    times = {"created_at": "2026-01-02T03:04:05.678900Z", "updated_at": "2026-01-02T03:05:05.678900Z", "lead_time": 4.2}
    return [{"id": number, "completed_by": by, "was_cancelled": number == 4, "result": result, **times}]


def argilla(path):
    import argilla as rg

    rg.Argilla._get_default = MagicMock  # no server is asked here
    settings = rg.Settings.from_json(path.with_name(f"{path.stem}.settings.json"))
    settings.validate()
    questions, fields = ({each.name: each for each in part} for part in (settings.questions, settings.fields))
    records = [rg.Record.from_dict(each) for each in json.loads(path.read_bytes())]
    for record in records:
        assert set(record.fields) <= set(fields)
        for each in record.suggestions:
            labels = getattr(questions[each.question_name], "labels", None)
            assert labels is None or set([each.value] if isinstance(each.value, str) else each.value) <= set(labels)
    people = {"b": "1b671a64-40d5-491e-99b0-da01ff1f3341", "a": "2b671a64-40d5-491e-99b0-da01ff1f3342"}
    edited = next(each for each in records if each.metadata["rule"] == "label-error")
    few = [edited, *[each for each in records if each.metadata["rule"] == "typo"][:2]]
    few[0].responses.add(rg.Response("verdict", "edit", user_id=people["a"], status="submitted"))
    few[0].responses.add(rg.Response("label_1", "Order Management", user_id=people["a"], status="submitted"))
    few[0].responses.add(rg.Response("label_2", "Cancellation", user_id=people["a"], status="submitted"))
    few[1].responses.add(rg.Response("verdict", "edit", user_id=people["b"], status="submitted"))
    few[1].responses.add(rg.Response("edit", 'did you get "it"?\nyes', user_id=people["b"], status="submitted"))
    for person in people.values():
        few[2].responses.add(rg.Response("verdict", "accept", user_id=person, status="submitted"))
    made = RECORDED / "argilla.json"
    made.unlink(missing_ok=True)
    from argilla.records._io import JsonIO

    JsonIO.to_json(few, made)
    sys.stdout.write(f"argilla {version('argilla')}: {len(records)} records and {len(questions)} questions are valid\n")


if __name__ == "__main__":
    RECORDED.mkdir(exist_ok=True)
    {"label-studio": label_studio, "argilla": argilla}[sys.argv[1]](Path(sys.argv[2]))
