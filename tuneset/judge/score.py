"""Score a model's answers on the validation side beside simple baselines, and say whether fine-tuning was worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset.errors import InputError, TunesetError, way_out
from tuneset.judge import ridge
from tuneset.judge.shares import adjusted
from tuneset.judge.size import accuracy
from tuneset.model import turns_say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tuneset.judge.view import Bools, Ints, Labels, View

    Seen = NDArray[np.float64]
    Answer = str | dict[str, Any] | None

DRAWS, BLOCK = 2000, 100  # bootstrap samples, and how many are held at a time
CLEAR = 0.05  # a difference with a q above may be chance
NAMES = {
    "baseline": "the baseline",
    "surrogate": "a small classifier (surrogate)",
    "majority": "always giving the commonest answer",
}


class Column(NamedTuple):
    """One label column: which labels each row has, and which each list of answers gave it."""

    name: str
    labels: list[str]  # of the truth, sorted
    truth: Bools  # (rows, labels)
    said: dict[str, Bools]  # by who answered: (rows, labels)
    right: dict[str, Bools]  # (rows,): just the labels that the row has, no others


def read_predictions(path: Path, truth: pl.DataFrame) -> list[Answer]:
    r"""Read a model's answers, one for each row of `truth` (validation examples in the order of validation.jsonl).

    A line is any of: `{"id": …, "prediction": …}`, with the example's id; `{"prediction": …}`; a conversation
    (`{"messages": […]}`, whose last assistant turn is the answer); an object of labels; a string. Without ids, lines
    stand in the order of validation.jsonl. A line that cannot be read is an answer that is wrong, never an error.

    Raises InputError where the file cannot be read, TunesetError where the lines are more or fewer than the rows or the ids
    are others.

    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> from tuneset.testing import examples
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "predictions.jsonl")
    ...     _ = file.write_text('{"prediction": "A"}\n')
    ...     read_predictions(file, examples(["hi"]))
    ['A']
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError("the predictions cannot be read", str(path), way_out(error)) from error
    columns = _columns(truth["labels"])
    read = [_line(line, columns) for line in text.rstrip().split("\n")] if text.strip() else []
    answers = [answer for _, answer in read]
    order = _order([number for number, _ in read], truth["id"].to_list(), path)
    if order is not None:
        return [answers[place] for place in order]
    if read and all(isinstance(number, str) for number, _ in read):
        what = "no id in the predictions is one of a validation row"
        raise TunesetError(what, str(path), "give the ids of rows.jsonl or findings, or leave them out")
    if columns and any(answers) and all(isinstance(each, dict) and not columns & each.keys() for each in answers):
        keys = ", ".join(sorted({str(key) for each in answers[:20] if isinstance(each, dict) for key in each})[:5])
        what = f"no line holds an answer: there are {keys}, and neither a prediction nor {', '.join(sorted(columns))}"
        raise TunesetError(what, str(path), 'write each line as {"prediction": "what the model said"}')
    if len(answers) != truth.height:
        raise _wrong_count(len(answers), truth.height, path)
    return answers


def _line(line: str, columns: set[str]) -> tuple[Any, Answer]:
    """Read one line: the id it names, and the answer."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None, line.strip() or None
    if not isinstance(value, dict):
        return None, value if isinstance(value, str) or value is None else line.strip()
    number = value.get("id")
    if isinstance(value.get("messages"), list):
        return number, turns_say(value["messages"])[1]
    if "prediction" not in value or columns <= value.keys():
        return number, value
    said = value["prediction"]
    return number, said if said is None or isinstance(said, str | dict) else orjson.dumps(said).decode()


def _order(named: list[Any], ids: list[str], path: Path) -> list[int] | None:
    """Return where the answer of each row is, by id; None where the lines name no rows and their order counts."""
    place = {number: at for at, number in enumerate(named) if isinstance(number, str)}
    known = place.keys() & set(ids)
    if not known:
        return None
    if len(named) != len(ids):
        raise _wrong_count(len(named), len(ids), path)
    if len(known) < len(ids):
        missing = next(each for each in ids if each not in place)
        hint = "give every validation row its id once, or no ids and the order of validation.jsonl"
        raise TunesetError(
            f"{len(ids) - len(known)} validation rows have no prediction, such as {missing}", str(path), hint
        )
    return [place[each] for each in ids]


def _wrong_count(lines: int, rows: int, path: Path) -> TunesetError:
    hint = "write one line for each line of validation.jsonl, an empty string where the model gave no answer"
    return TunesetError(f"there are {lines:,} predictions for {rows:,} validation rows", str(path), hint)


def score(  # noqa: PLR0913  each is another answer to the same rows
    truth: pl.DataFrame,
    predictions: Sequence[Answer],
    *,
    baseline: Sequence[Answer] | None = None,
    train: pl.DataFrame | None = None,
    surrogate: Sequence[Answer] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Say how good a model's answers are, and whether they are better than a baseline's and than simple ones.

    `truth`: validation examples (`id`, `label`, `labels`; `group` where near-duplicates are to count as one trial);
    `predictions`, `baseline` (such as the model before fine-tuning) and `surrogate` (see `surrogate_answers`): an answer a
    row; `train`: the train examples, whose commonest answer is the simplest baseline. An answer is right where it is the
    same JSON, whatever the order of keys and of a list of labels; where the target is no JSON, where it is the same text. An answer
    that cannot be read is wrong.

    Accuracy and exact match with Wilson intervals, F1 (scikit-learn's macro, over the labels of the truth) by bootstrap, 95 %;
    differences by paired bootstrap of 2,000 samples, with a p that is raised for the number of comparisons (`q`).

    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": "where is it", "label": "Orders"}, {"text": "hello", "label": "Other"}])
    >>> facts = score(rows, ['{"category": "Orders"}', "no idea"])
    >>> facts["valid"]["accuracy"], facts["exact"]["accuracy"], facts["columns"][0]["f1"]["value"]
    (0.5, 0.5, 0.5)
    """
    if truth.is_empty():
        return {"rows": 0, "words": "There are no validation rows to score."}
    given = {"model": predictions, "baseline": baseline, "surrogate": surrogate, "majority": _majority(truth, train)}
    parsed = {who: _parsed(truth, train, answers) for who, answers in given.items() if answers is not None}
    columns = [_column(name, truth["labels"], parsed) for name in sorted(_columns(truth["labels"]))]
    exact = {who: np.logical_and.reduce([each.right[who] for each in columns]) for who in parsed}
    groups = truth["group"].rank("dense").to_numpy() - 1 if "group" in truth.columns else np.arange(truth.height)
    drawn = _bootstrap(columns, exact, np.asarray(groups, np.int64), seed)
    others = [who for who in NAMES if who in parsed]
    compared = [_difference(who, columns, exact, drawn) for who in others]
    for each, q in zip(compared, adjusted(np.array([each["p"] for each in compared])), strict=True):
        each["q"] = round(float(q), 4)
    facts: dict[str, Any] = {
        "rows": truth.height,
        "valid": accuracy(_valid(truth, train, predictions), groups),
        "exact": accuracy(exact["model"], groups),
        "columns": [_facts(each, drawn.f1[each.name], groups) for each in columns],
        "against": [each | {"words": _against(each)} for each in compared],
    }
    return facts | {"worth": _worth(facts["against"]), "words": _words(facts)}


def surrogate_answers(view: View, labels: list[Labels]) -> list[dict[str, Any]]:
    """Let a small classifier that learned the train side answer each validation row, in their order.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = view(examples(["where is it", "hello"]).with_columns(side=pl.Series(["train", "validation"])))
    >>> surrogate_answers(rows, labels(rows.examples))
    [{'category': 'A'}]
    """
    asked = np.flatnonzero((view.examples["side"] == "validation").to_numpy())
    answers: list[dict[str, Any]] = [{} for _ in asked]
    for column in labels:
        rows = np.flatnonzero(view.train & (column.codes >= 0))
        if not len(rows):
            continue
        made = ridge.fit(view.vectors[rows], column.codes[rows], len(column.names))
        said = ridge.scores(made, view.vectors[asked]).argmax(axis=1)
        for answer, code in zip(answers, said.tolist(), strict=True):
            answer[column.column] = column.names[code] if column.several is None else [column.names[code]]
    return answers


def _columns(labels: pl.Series) -> set[str]:
    return {name for text in labels.drop_nulls().unique().to_list() for name in orjson.loads(text)}


def _majority(truth: pl.DataFrame, train: pl.DataFrame | None) -> list[Answer] | None:
    """Give the commonest labels of the train side to every row."""
    if train is None or train["labels"].drop_nulls().is_empty():
        return None
    counts = train["labels"].drop_nulls().value_counts().sort(["count", "labels"], descending=[True, False])
    commonest: Answer = orjson.loads(counts["labels"][0])
    return [commonest] * truth.height


def _known(truth: pl.DataFrame, train: pl.DataFrame | None) -> dict[str, Any]:
    """Return what each answer of the set stands for: needed where a target writes them as something else than JSON."""
    both = [rows.select("label", "labels").drop_nulls() for rows in (truth, train) if rows is not None]
    return {label: orjson.loads(labels) for label, labels in pl.concat(both).unique(maintain_order=True).iter_rows()}


def _parsed(truth: pl.DataFrame, train: pl.DataFrame | None, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Read each answer's labels, once for each different one; an answer that cannot be read has none."""
    known = _known(truth, train)
    texts = {answer: known.get(answer.strip(), _object(answer)) for answer in set(_texts(answers))}
    return [answer if isinstance(answer, dict) else texts.get(answer or "") or {} for answer in answers]


def _texts(answers: Sequence[Answer]) -> list[str]:
    """Return the answers that are texts."""
    return [answer for answer in answers if isinstance(answer, str)]


def _object(answer: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _valid(truth: pl.DataFrame, train: pl.DataFrame | None, answers: Sequence[Answer]) -> Bools:
    """Say which answers are a JSON object or, where the target is none, an answer that the set has."""
    known = _known(truth, train)
    good = {text: text.strip() in known or _object(text) is not None for text in set(_texts(answers))}
    return np.array([isinstance(each, dict) or good.get(each or "", False) for each in answers], np.bool_)


def _column(name: str, truth: pl.Series, parsed: dict[str, list[dict[str, Any]]]) -> Column:
    """Lay one column out as which labels each row has and was given."""
    have = [_listed(orjson.loads(text).get(name)) if text else () for text in truth.to_list()]
    labels = sorted({label for each in have for label in each})
    place = {label: at for at, label in enumerate(labels)}
    gave = {who: [_listed(answer.get(name)) for answer in answers] for who, answers in parsed.items()}
    said = {who: _members(answers, place) for who, answers in gave.items()}
    right = {
        who: np.array([one == other for one, other in zip(have, answers, strict=True)], np.bool_)
        for who, answers in gave.items()
    }
    return Column(name, [_shown(label) for label in labels], _members(have, place), said, right)


def _listed(value: Any) -> tuple[str, ...]:
    """Write each label of a value as JSON, so that 1, "1" and true are different; nothing for what is not there."""
    if value is None or value == "":
        return ()
    return tuple(sorted({orjson.dumps(each, option=orjson.OPT_SORT_KEYS).decode() for each in _as_list(value)}))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(label: str) -> str:
    value = orjson.loads(label)
    return value if isinstance(value, str) else label


def _members(answers: list[tuple[str, ...]], place: dict[str, int]) -> Bools:
    table = np.zeros((len(answers), len(place)), np.bool_)
    pairs = [(row, place[label]) for row, each in enumerate(answers) for label in each if label in place]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    table[rows, columns] = True
    return table


class Drawn(NamedTuple):
    """The figures in each bootstrap sample."""

    exact: dict[str, Seen]  # (DRAWS,), by who answered
    f1: dict[str, dict[str, Seen]]  # (DRAWS, labels), by column and by who answered


def _bootstrap(columns: list[Column], exact: dict[str, Bools], groups: Ints, seed: int) -> Drawn:
    """Draw rows with their groups, the same for everyone who answered, so that differences are paired."""
    rng = np.random.default_rng(seed)
    _, tied = np.unique(groups, return_inverse=True)
    number = int(tied.max()) + 1
    shares: dict[str, list[Seen]] = {who: [] for who in exact}
    found: dict[str, dict[str, list[Seen]]] = {each.name: {who: [] for who in exact} for each in columns}
    for _ in range(DRAWS // BLOCK):
        times = rng.multinomial(number, np.full(number, 1 / number), size=BLOCK)[:, tied].astype(np.float32)
        for who, right in exact.items():
            shares[who].append(times @ right.astype(np.float32) / times.sum(axis=1))
        for each in columns:
            for who, said in each.said.items():
                found[each.name][who].append(_f1(each.truth, said, times))
    joined = {name: {who: np.concatenate(parts) for who, parts in each.items()} for name, each in found.items()}
    return Drawn({who: np.concatenate(parts) for who, parts in shares.items()}, joined)


def _f1(truth: Bools, said: Bools, times: NDArray[np.float32]) -> Seen:
    """Return F1 of each label in each sample: (samples, labels); NaN where a sample has no such row."""
    both, have, gave = (times @ each.astype(np.float32) for each in (truth & said, truth, said))
    f1: Seen = np.where(have > 0, 2 * both / np.maximum(have + gave, 1), np.nan).astype(np.float64)
    return f1


def _facts(column: Column, drawn: dict[str, Seen], groups: Ints) -> dict[str, Any]:
    """Return one column's figures and those of its labels, the worst first."""
    once = np.ones((1, len(groups)), np.float32)
    f1 = _f1(column.truth, column.said["model"], once)[0]
    low, high = _middle(drawn["model"])
    rows, said = column.truth.sum(axis=0), column.said["model"].sum(axis=0)
    labels = [
        {"label": label, "rows": int(rows[at]), "said": int(said[at])} | _value(f1[at], low[at], high[at])
        for at, label in enumerate(column.labels)
    ]
    macro = _value(float(f1.mean()) if len(f1) else 0.0, *_middle(_macro(drawn["model"])))
    worst = sorted(labels, key=lambda each: (each["value"], each["label"]))
    return {"column": column.name, "accuracy": accuracy(column.right["model"], groups), "f1": macro, "labels": worst}


def _macro(f1: Seen) -> Seen:
    """Return the mean over the labels that a sample has."""
    have = ~np.isnan(f1)
    macro: Seen = np.nansum(f1, axis=1) / np.maximum(have.sum(axis=1), 1)
    return macro


def _middle(values: Seen) -> tuple[Any, Any]:
    """Return the middle 95 % of samples, of each label; a label that no sample has is given none of it."""
    filled = np.nan_to_num(np.asarray(values), nan=0.0)
    low, high = np.quantile(filled, [0.025, 0.975], axis=0)
    return low, high


def _value(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": round(float(value), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _difference(who: str, columns: list[Column], exact: dict[str, Bools], drawn: Drawn) -> dict[str, Any]:
    """Compare the model's answers with another's by paired bootstrap: right answers, and F1 of each column."""
    apart = drawn.exact["model"] - drawn.exact[who]
    gap = float(exact["model"].mean() - exact[who].mean())
    f1 = {}
    for each in columns:
        two = (drawn.f1[each.name][name] for name in ("model", who))
        ours, theirs = (_macro(values) for values in two)
        f1[each.name] = _gap(float(np.mean(ours - theirs)), ours - theirs)
    return {"name": who, "accuracy": round(float(exact[who].mean()), 4)} | _gap(gap, apart) | {"f1": f1}


def _gap(value: float, drawn: Seen) -> dict[str, float]:
    """Give a difference, its interval (95 %) and its p: the share of samples on the other side of 0, twice."""
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    low, high = _middle(drawn)
    return {"difference": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)} | {
        "p": round(min(1.0, 2 * (tail + 1) / (len(drawn) + 1)), 4)
    }


def _against(each: dict[str, Any]) -> str:
    points = f"{abs(100 * each['difference']):.1f} points"
    sure = f"({100 * each['low']:+.1f} to {100 * each['high']:+.1f}, q {each['q']:.3f})"
    than = f"{NAMES[each['name']]}, which gets {100 * each['accuracy']:.0f} % right"
    if each["q"] > CLEAR or each["difference"] == 0:
        return f"Not clearly different from {than}: {100 * each['difference']:+.1f} points {sure}."
    return f"{'Better' if each['difference'] > 0 else 'Worse'} by {points} {sure} than {than}."


def _worth(against: list[dict[str, Any]]) -> bool | None:
    """Say whether the answers are clearly better than all others; None where there are none to compare with."""
    if not against:
        return None
    return all(each["q"] <= CLEAR and each["difference"] > 0 for each in against)


def _words(facts: dict[str, Any]) -> str:
    """Answer the question that the command is run for."""
    exact = facts["exact"]
    head = (
        f"{100 * exact['accuracy']:.1f} % of the answers are right ({100 * exact['low']:.1f} to {100 * exact['high']:.1f} %); "
        f"{100 * facts['valid']['accuracy']:.1f} % have the form that was asked for."
    )
    against = facts["against"]
    if not against:
        return head
    not_beaten = [NAMES[each["name"]] for each in against if each["q"] > CLEAR or each["difference"] <= 0]
    if not not_beaten:
        names = " and ".join(NAMES[each["name"]] for each in against)
        return f"{head} Fine-tuning was worth it: it is clearly better than {names}."
    worse = [NAMES[each["name"]] for each in against if each["q"] <= CLEAR and each["difference"] < 0]
    if worse:
        return f"{head} Fine-tuning was not worth it: it is clearly worse than {' and '.join(worse)}."
    return f"{head} It is not clear that fine-tuning was worth it: it is not clearly better than {' nor '.join(not_beaten)}."
