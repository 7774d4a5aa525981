"""Scores of a model's answers: every form of a predictions file, figures against scikit-learn, and the comparison."""

import json
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.errors import InputError, TunesetError
from tuneset.judge.score import read_predictions, score, surrogate_answers
from tuneset.judge.view import labels, view
from tuneset.testing import examples

AREAS = ["Orders", "Cards", "Refunds"]


def table(rows=60, seed=0):
    """Validation examples with two label columns, whose answer is JSON as the target writes it."""
    draw = random.Random(seed)
    made = []
    for number in range(rows):
        said = {"category": draw.choice(AREAS), "urgent": draw.choice(["yes", "no"])}
        made.append({"text": f"text {number}", "label": json.dumps(said), "labels": json.dumps(said)})
    return examples(made)


def answered(truth, right=0.8, seed=0):
    """Answers of which about `right` are right."""
    draw = random.Random(seed)
    said = [json.loads(each) for each in truth["labels"]]
    return [json.dumps(each if draw.random() < right else each | {"category": draw.choice(AREAS)}) for each in said]


def written(tmp_path, lines):
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_all_forms_of_a_file_say_the_same(tmp_path):
    truth = table(9)
    objects = [json.loads(each) for each in truth["labels"]]
    forms = {
        "objects": [json.dumps(each) for each in objects],
        "strings": [json.dumps(json.dumps(each)) for each in objects],
        "predictions": [json.dumps({"prediction": json.dumps(each)}) for each in objects],
        "objects under prediction": [json.dumps({"prediction": each}) for each in objects],
        "conversations": [
            json.dumps(
                {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": json.dumps(each)}]}
            )
            for each in objects
        ],
        "ids": [
            json.dumps({"id": number, "prediction": each}) for number, each in zip(truth["id"], objects, strict=True)
        ][::-1],
    }
    for lines in forms.values():
        facts = score(truth, read_predictions(written(tmp_path, lines), truth))
        assert (facts["exact"]["accuracy"], facts["valid"]["accuracy"]) == (1, 1)


def test_the_order_of_keys_does_not_matter_and_a_number_is_not_its_text(tmp_path):
    truth = examples([{"text": "a", "labels": '{"x": 1, "y": "2"}'}])
    for line, right in (('{"y": "2", "x": 1}', 1), ('{"x": "1", "y": "2"}', 0), ('{"x": true, "y": "2"}', 0)):
        assert score(truth, read_predictions(written(tmp_path, [line]), truth))["exact"]["accuracy"] == right


def test_answers_in_another_form_than_json_are_compared_as_they_are_written():
    truth = examples([{"text": "a", "label": "Orders > late", "labels": '{"area": "Orders", "what": "late"}'}])
    assert score(truth, [" Orders > late\n"])["exact"]["accuracy"] == 1
    assert score(truth, ["Orders, late"])["valid"]["accuracy"] == 0


@pytest.mark.parametrize("lines", [3, 5])
def test_more_or_fewer_lines_than_rows_are_an_error_with_a_hint(tmp_path, lines):
    path = written(tmp_path, ["{}"] * lines)
    with pytest.raises(TunesetError, match=f"there are {lines} predictions for 4 validation rows") as caught:
        read_predictions(path, table(4))
    assert "one line for each line of validation.jsonl" in caught.value.hint


def test_ids_that_leave_a_row_out_are_an_error(tmp_path):
    truth = table(3)
    first, second, _ = truth["id"]
    lines = [json.dumps({"id": each, "prediction": "x"}) for each in (first, second, second)]
    with pytest.raises(TunesetError, match="1 validation rows have no prediction"):
        read_predictions(written(tmp_path, lines), truth)


def test_ids_of_somebody_else_s_counting_leave_the_order_to_decide(tmp_path):
    truth = table(3)
    lines = [json.dumps({"id": number, "prediction": json.loads(each)}) for number, each in enumerate(truth["labels"])]
    assert score(truth, read_predictions(written(tmp_path, lines), truth))["exact"]["accuracy"] == 1


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl"):
        read_predictions(tmp_path / "none.jsonl", table(1))


def test_a_label_column_may_be_called_prediction(tmp_path):
    truth = examples([{"text": "a", "labels": '{"prediction": "rain"}'}])
    assert (
        score(truth, read_predictions(written(tmp_path, ['{"prediction": "rain"}']), truth))["exact"]["accuracy"] == 1
    )


@settings(max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.text(),
            st.binary().map(repr),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            ).map(json.dumps),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_a_line_holds_it_is_an_answer_and_never_a_crash(tmp_path_factory, lines):
    lines = [" ".join(line.splitlines()) or "-" for line in lines]
    path = tmp_path_factory.mktemp("said") / "predictions.jsonl"
    path.write_text("".join(f"{line}\n" for line in [*lines, '"end"']))
    truth = table(len(lines) + 1)
    facts = score(truth, read_predictions(path, truth))
    assert facts["exact"]["accuracy"] == 0
    json.dumps(facts)


def test_broken_utf_8_is_a_wrong_answer(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(b'\xff\xfe{"category": "Or\n')
    assert read_predictions(path, table(1)) == ['��{"category": "Or']


def test_accuracy_and_f1_are_scikit_learn_s():
    from sklearn.metrics import accuracy_score, f1_score

    truth = table(200)
    said = answered(truth, 0.6)
    facts = score(truth, said)
    for column in facts["columns"]:
        real, ours = ([json.loads(each)[column["column"]] for each in rows] for rows in (truth["labels"], said))
        names = sorted(set(real))
        each = dict(zip(names, f1_score(real, ours, labels=names, average=None), strict=True))
        assert column["accuracy"]["accuracy"] == pytest.approx(accuracy_score(real, ours), abs=1e-4)
        assert column["f1"]["value"] == pytest.approx(f1_score(real, ours, labels=names, average="macro"), abs=1e-4)
        assert {line["label"]: line["value"] for line in column["labels"]} == pytest.approx(each, abs=1e-4)


def test_f1_of_rows_with_several_labels_is_scikit_learn_s():
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    draw = random.Random(1)
    real, ours = ([sorted(draw.sample(AREAS, draw.randint(1, 2))) for _ in range(80)] for _ in range(2))
    truth = examples([{"text": f"{number}", "labels": json.dumps({"topic": each})} for number, each in enumerate(real)])
    facts = score(truth, [{"topic": each[::-1]} for each in ours])
    table_of = MultiLabelBinarizer().fit(real).transform
    assert facts["columns"][0]["f1"]["value"] == pytest.approx(
        f1_score(table_of(real), table_of(ours), average="macro"), abs=1e-4
    )
    assert facts["exact"]["accuracy"] == pytest.approx(
        np.mean([one == two for one, two in zip(real, ours, strict=True)]), abs=1e-4
    )


def test_a_clearly_better_model_was_worth_it_and_the_same_one_was_not():
    truth, train = table(300), table(300, seed=1)
    good, poor = answered(truth, 0.95), answered(truth, 0.3, seed=1)
    facts = score(truth, good, baseline=poor, train=train)
    assert facts["worth"] is True
    assert [each["name"] for each in facts["against"]] == ["baseline", "majority"]
    assert "was worth it" in facts["words"]
    same = score(truth, good, baseline=good)
    assert same["worth"] is False
    assert (same["against"][0]["difference"], same["against"][0]["q"]) == (0, 1)
    assert score(truth, poor, baseline=good)["against"][0]["words"].startswith("Worse by")
    assert score(truth, good)["worth"] is None


def test_a_difference_is_found_by_chance_in_one_of_twenty_pairs_at_the_most():
    truth = table(80)
    found = [
        score(truth, answered(truth, 0.7, seed), baseline=answered(truth, 0.7, seed + 1000))["against"][0]["q"] <= 0.05
        for seed in range(40)
    ]
    assert sum(found) <= 6  # more than 6 of 40 come by chance once in 70 where 1 in 20 is


def test_the_intervals_hold_the_figure_and_near_duplicates_widen_them():
    truth = table(200)
    said = answered(truth, 0.7)
    alone, tied = (score(truth.with_columns(group=np.arange(200) // size), said) for size in (1, 10))
    for facts in (alone, tied):
        for figure in [facts["columns"][0]["f1"], *facts["columns"][0]["labels"]]:
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert tied["exact"]["high"] - tied["exact"]["low"] > alone["exact"]["high"] - alone["exact"]["low"]


def test_the_commonest_answer_of_the_train_side_is_a_baseline():
    truth = examples([{"text": str(number), "label": "A" if number < 7 else "B"} for number in range(10)])
    facts = score(truth, ["A"] * 10, train=truth)
    assert facts["against"][0] | {"words": "", "f1": {}} == facts["against"][0] | {
        "accuracy": 0.7,
        "words": "",
        "f1": {},
    }


def test_the_surrogate_answers_each_validation_row_from_what_train_rows_say():
    rows = [
        {"text": f"where is my {thing} number {number}", "label": thing}
        for number in range(20)
        for thing in ("card", "parcel")
    ]
    seen = view(examples(rows).with_columns(side=pl.Series(["train"] * 30 + ["validation"] * 10)))
    said = surrogate_answers(seen, labels(seen.examples))
    assert [each["category"] for each in said] == ["card", "parcel"] * 5


def test_no_rows_are_no_error():
    assert score(table(0), [])["words"] == "There are no validation rows to score."
