"""What a run's figures come to: the verdict with its reasons, what to do next, and whether the gate lets it through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.ask.budget import figure, option
from tuneset.report.page import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

OFF = 0.03  # a class this far from the wanted share is named
GAIN = 0.02  # points that more rows of a label must bring to be worth a line
RARE = 5  # examples of a label value
DOUBTFUL, STRAY = ("label-error",), ("irrelevant", "far-cluster")
FLAGGED = 0.025  # of clean sets at most 2.1 % of the rows are flagged (docs/judging.md)
FEW_ROWS = 100  # fewer examples than this are a start at best (see docs/steps.md, size)


def verdict(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether the set is ready to train on: `level` is ready, look or not-ready; and why not."""
    wrong, doubts = _failures(summary), _doubts(summary)
    if wrong:
        return {"level": "not-ready", "words": "Not ready to train on yet.", "reasons": wrong + doubts}
    if doubts:
        return {"level": "look", "words": "Usable; worth a look first.", "reasons": doubts}
    return {"level": "ready", "words": "Ready to train on.", "reasons": []}


def _failures(summary: Mapping[str, Any]) -> list[str]:
    """Say what makes a set unfit: nobody should train on it as it is."""
    sides, kept = summary["sides"], summary["balance"]["kept"]
    errors, across = summary["check"]["errors"], summary["certificate"]["pairs_across"]
    wanted = summary["split"]["validation"] > 0
    checks = [
        (not kept, "No example is left."),
        (kept and not sides["train"], "No example is on the train side."),
        (
            kept and wanted and not sides["validation"],
            "No example is on the validation side: all of them are tied together, or there are too few.",
        ),
        (kept and errors, f"{counted(errors, 'problem')} would make the target refuse the files."),
        (across, f"{counted(across, 'pair')} of near-duplicates across the sides of the split."),
        (
            kept and any(len(each["values"]) == 1 for each in summary["labels"][:1]),
            "There is only one class: nothing to learn to tell apart.",
        ),
    ]
    return [words for holds, words in checks if holds]


def _doubts(summary: Mapping[str, Any]) -> list[str]:
    """Say what a careful person would look at before training."""
    waiting = {each["rule"]: each["waiting"] - each.get("twins", 0) for each in summary["rules"]}
    conflicting = waiting.get("conflicting-label", 0)
    balance, split = summary["balance"], summary["split"]
    rare = sum(value["rows"] < RARE for each in summary["labels"] for value in each["values"])
    few = balance["kept"] if balance["kept"] < FEW_ROWS else 0
    many = balance["dropped"] if balance["dropped"] * 10 > balance["in"] else 0
    told = ("class", "") if summary["labels"] else ("kind", "of examples (by source, turns and length) ")
    checks = [
        (_stuck(summary), "example", "on the sides of an earlier run, which are not the shares that you ask for now."),
        (conflicting, "example", "with a twin that has another label."),
        (waiting.get("licence", 0), "example", "whose licence forbids what the set is for, or is not known."),
        (waiting.get("secret", 0), "example", "with a key, a token or a password."),
        (waiting.get("contamination", 0), "example", "of another set that it must not hold."),
        (
            _many(waiting, DOUBTFUL, balance["kept"]),
            "other example" if conflicting else "example",
            "with a label that is doubtful.",
        ),
        (_many(waiting, STRAY, balance["kept"]), "example", "that seem to belong to no label."),
        (few, "example", "in all: 100 are a start."),
        (rare, "label value", f"with fewer than {RARE} examples."),
        (split["uneven_classes"], told[0], f"{told[1]}more than 3 points off the wanted share, or on one side only."),
        (
            0 if split["validation"] else balance["kept"],
            "example",
            "and no validation side: nothing shows overfitting.",
        ),
        (many, "row", "dropped, more than one in ten."),
        (split["conflicts"], "example", "on different sides by an earlier run, and tied now."),
    ]
    return [f"{counted(count, noun)} {words}" for count, noun, words in checks if count] + _judged(summary)


def _many(waiting: Mapping[str, int], rules: tuple[str, ...], rows: int) -> int:
    """Count what some rules flagged, where that is more than they flag of a clean set."""
    found = sum(waiting.get(rule, 0) for rule in rules)
    return found if found > FLAGGED * rows else 0


def _judged(summary: Mapping[str, Any]) -> list[str]:
    """Say what judging holds against the set as a whole."""
    size, like = (summary["judge"].get(key) or {} for key in ("size", "representativeness"))
    checks = [
        (size.get("plateau") is False, size.get("words")),
        (like.get("differs"), like.get("words")),
    ]
    return [words for holds, words in checks if holds and words]


def _stuck(summary: Mapping[str, Any]) -> int:
    """Count the examples whose earlier sides keep validation from the share that is asked for now."""
    split = summary["split"]
    rows = max(summary["balance"]["kept"] - split["synthetic"], 1)  # synthetic rows do not count towards the shares
    off = (abs(summary["sides"][side] / rows - split[side]) > OFF for side in ("validation", "test"))
    return int(split["placed_before"]) if any(off) else 0


Choice = tuple[Any, str, str, str]  # how many (0: not now), what to do, why, with which command


def actions(summary: Mapping[str, Any], run: str) -> list[dict[str, str]]:
    """Choose the three most useful things to do, each with its command."""
    asked = _to_generate(summary, run)
    choices = [*asked, *_to_mend(summary, run), *_to_look_at(summary, run), *_to_go_on(summary, run)]
    wanted = [choice for choice in choices if choice[0]]
    if summary["verdict"]["level"] == "not-ready":
        wanted = [choice for choice in wanted if choice[1] != "Train"]
    if summary["verdict"]["level"] == "ready" and not asked:  # training comes first where nothing stands against it
        wanted.sort(key=lambda choice: choice[1] != "Train")
    return [{"words": words, "why": why, "command": command} for _, words, why, command in wanted[:3]]


# The least that a limit is raised to, where twice as much is less.
RAISED = {"most_cost": 1, "most_tokens": 100_000, "most_requests": 100}


def _to_generate(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what a model was asked for and is not there: it waits behind a limit, for the judge, or was taken out."""
    found = []
    for each in (summary.get("synthetic") or {}).get("paid", ()):
        command = f"tuneset generate {run}" + f" --name {each['name']}" * (each["name"] != "synthetic")
        rows, limit = counted(each["waits"] or each["short"], "row"), each["limit"]
        if each["waits"] and limit:
            more = max(2 * each["most"], RAISED[limit])
            words = f"Raise {limit} ({option(limit)}), which is {figure(each['most'])}: it holds back {rows}"
            why = "What is not written or not judged is not in the set."
            found.append((1, words, why, f"{command} {option(limit)} {more:.10g}"))
        elif each["waits"]:
            words = f"Run the same command again: the judge has still to read {rows}"
            found.append((1, words, each["failed"] or "The judge did not answer.", command))
        elif each["short"]:
            words = f"Run the same command again: it is {rows} short of {each['of']:,} a label"
            why = f"In {counted(each['labels'], 'label')}; the checks took some out, or they did not come."
            found.append((1, words, why, command))
    return found


def _to_mend(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what makes the files or the split wrong."""
    errors, conflicts = summary["check"]["errors"], summary["split"]["conflicts"]
    files = " ".join(f"{run}/{each['name']}" for each in summary["files"])
    return [
        (
            errors,
            f"Mend {counted(errors, 'problem')} that the target would refuse",
            "The platform rejects the file, or silently skips such rows.",
            f"tuneset check {files} --target {summary['check']['target']}",
        ),
        (
            conflicts,
            f"Draw the split anew: {counted(conflicts, 'tied example')} on different sides",
            "A twin across the sides makes the validation score too good.",
            f"tuneset prepare {run} --resplit",
        ),
        (
            _stuck(summary),
            "Draw the split anew for the share you ask for",
            "Every example keeps its side until you say otherwise.",
            f"tuneset prepare {run} --resplit",
        ),
    ]


def _to_look_at(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what a person has to settle, the gravest first."""
    found = {(each["rule"], state): each[state] for each in summary["rules"] for state in ("found", "waiting", "out")}
    waiting = {rule: count for (rule, state), count in found.items() if state == "waiting"}
    conflicting, contaminated = (waiting.get(rule, 0) for rule in ("conflicting-label", "contamination"))
    unreadable, missing = found.get(("unreadable-row", "found"), 0), found.get(("missing-label", "out"), 0)
    return [
        (
            conflicting,
            f"Settle {counted(conflicting, 'example')} with a twin that has another label",
            "The model would be taught both answers. Accept drops the example, reject keeps its label, edit gives it another.",
            f"tuneset findings {run} --rule conflicting-label",
        ),
        (
            waiting.get("licence", 0),
            f"Look at the licence of {counted(waiting.get('licence', 0), 'example')}",
            "It forbids the use that the recipe names, or is not known. Accept drops the example.",
            f"tuneset findings {run} --rule licence --limit 3",
        ),
        _to_mask(waiting, run),
        _doubtful(summary, run),
        _stray(waiting, run),
        (
            waiting.get("off-label", 0),
            f"Look at {counted(waiting.get('off-label', 0), 'synthetic example')} that the judge doubts or reads otherwise",
            "A model writes what belongs to a neighbouring label. Accept drops the example, reject keeps it.",
            f"tuneset findings {run} --rule off-label",
        ),
        (
            waiting.get("rewritten-answer", 0),
            f"Read {counted(waiting.get('rewritten-answer', 0), 'answer')} that a model has rewritten",
            "Nobody has found that it keeps every fact. Accept takes the new answer, reject keeps the one that was there.",
            f"tuneset findings {run} --rule rewritten-answer",
        ),
        (
            contaminated,
            f"Look at {counted(contaminated, 'example')} that another set holds too",
            "A model that has read the test is measured by its memory.",
            f"tuneset findings {run} --rule contamination",
        ),
        (
            unreadable,
            f"Look at {counted(unreadable, 'row')} that could not be read",
            "Each may be a good example with one stray quote or comma.",
            f"tuneset findings {run} --rule unreadable-row",
        ),
        (
            missing,
            f"Label {counted(missing, 'example')} without an answer",
            "They were left out.",
            f"tuneset findings {run} --rule missing-label",
        ),
    ]


def _to_mask(waiting: Mapping[str, int], run: str) -> Choice:
    """Say what should not be repeated: secrets, and once they are gone personal data."""
    rule = "secret" if waiting.get("secret") else "personal-data"
    count = waiting.get(rule, 0)
    return (
        count,
        f"Mask {counted(count, 'secret' if rule == 'secret' else 'find')}{' of personal data' * (rule != 'secret')}",
        f'A model repeats what it has read. Write action = "mask" in {run}/recipe.toml.',
        f"tuneset findings {run} --rule {rule}",
    )


def _doubtful(summary: Mapping[str, Any], run: str) -> Choice:
    """Say how many labels may be wrong; nothing where all of them are those of twins, which come before."""
    rule = next((each for each in summary["rules"] if each["rule"] == "label-error"), {"waiting": 0})
    count, twins = rule["waiting"], rule.get("twins", 0)
    those = f", {twins:,} of them of twins with another label" if twins else ""
    return (
        count - twins,
        f"Look at {counted(count, 'label')} that may be wrong{those}",
        "A wrong label teaches the wrong answer. Accept takes what is suggested, reject keeps what is there.",
        f"tuneset findings {run} --rule label-error",
    )


def _stray(waiting: Mapping[str, int], run: str) -> Choice:
    """Say how many examples may not belong here: those that stand alone, and once they are settled a few together."""
    rule = next((each for each in STRAY if waiting.get(each)), STRAY[0])
    count = waiting.get(rule, 0)
    return (
        count,
        f"Look at {counted(count, 'example')} that may not belong here",
        "The model would learn to answer what nobody asks.",
        f"tuneset findings {run} --rule {rule}",
    )


def _to_go_on(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what makes a good set better, and what comes after it."""
    stratified = summary["split"]["stratify"]
    uneven = [each["column"] for each in summary["labels"] if each["uneven"] and each["column"] not in stratified]
    stratify = " ".join(f"--stratify {column}" for column in [*stratified, *uneven])
    twins = sum(each["waiting"] for each in summary["rules"] if each["rule"] == "near-duplicate")
    return [
        *_to_collect(summary, run),
        (
            len(uneven),
            f"Spread {' and '.join(uneven)} evenly too",
            "Some of its values are over- or under-represented in validation.",
            f"tuneset prepare {run} {stratify} --resplit",
        ),
        (
            twins,
            f"Look at {counted(twins, 'pair')} of near-duplicates",
            "They are safe in the split; many of them make the set look larger than it is.",
            f"tuneset findings {run} --rule near-duplicate",
        ),
        (1, "Train", "The files are what a trainer reads.", f"{run}/train.jsonl {run}/validation.jsonl"),
        (
            not summary["sides"]["test"],
            "Hold back a test side for the final figure",
            "What is tuned on validation looks better there than it is.",
            f"tuneset prepare {run} --test 0.1 --resplit",
        ),
        (
            1,
            "Add rows to the source when new ones come, and run again",
            "Every example keeps its side.",
            f"tuneset prepare {run}",
        ),
    ]


def _to_collect(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what would make the model better: clearer labels, and more rows where they gain most."""
    judged = summary["judge"]
    like, size = (judged.get(key) or {} for key in ("representativeness", "size"))
    cells = like.get("cells") or []
    pairs = [pair for column in judged.get("labels") or [] for pair in column["confused"][:1]]
    gains = [each for each in size.get("gains") or [] if each["gain"] >= GAIN]
    names = " and ".join(each["label"] for each in gains[:2])
    return [
        (
            len(cells),
            f"Collect {counted(sum(cell['rows'] for cell in cells), 'example')} that live inquiries have and this set lacks",
            "The report lists them: which labels, and inquiries like which.",
            f"tuneset prepare {run}",
        ),
        (
            len(gains),
            f"Collect more examples of {names}",
            f"Twice as many would bring about {100 * gains[0]['gain']:.0f} points there." if gains else "",
            f"tuneset prepare {run}",
        ),
        (
            len(pairs),
            f"Say where {pairs[0]['one']} ends and {pairs[0]['other']} begins" if pairs else "",
            f"{counted(pairs[0]['rows'], 'example')} of one read like the other." if pairs else "",
            f"tuneset labels {run}",
        ),
    ]
