"""The only place where data changes: findings and people's decisions, applied to examples."""

from __future__ import annotations

import polars as pl

from tuneset import model
from tuneset.model import answers, conversations, seen

EDITABLE = ("/text", "/messages", "/labels")
CONFLICT, DOUBT = "conflicting-label", "label-error"  # both ask of a twin with another label whether its own is right
HELD = ("earlier-call",)  # rules whose twin holds all of an example, its answer among what it says


def settle(findings: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Add what becomes of each finding: `does` (drop, edit or none), `write` (the edit's value) and `state`.

    state: applied · waiting (a suggestion, or something to look at) · overruled (a person rejected it) · settled (a
    person looked and agreed that nothing is to be done; or see `close`). A finding's last decision counts; one that was
    taken back (undo), or made on something that looked different and so is stale, is treated as if nobody had answered.

    >>> settle(model.no_findings(), pl.DataFrame(schema=model.DECISIONS)).columns[-4:]
    ['does', 'write', 'state', 'stale']
    """
    last = decisions.unique("finding", keep="last", maintain_order=True).select(
        "finding", "verdict", "saw", write_own="after"
    )
    joined = _answered_by(findings, last.filter(pl.col("verdict") != "undo"))
    verdict = pl.when(~pl.col("stale")).then("verdict")
    accepted = (verdict == "accept") | (verdict.is_null() & (pl.col("when") == "default"))
    does = (
        pl.when(verdict.is_in(["edit", "drop"]))
        .then(verdict)
        .when(accepted)
        .then("action")
        .otherwise(pl.lit("none"))
        .fill_null("none")
    )
    state = (
        pl.when(verdict == "reject")
        .then(pl.lit("overruled"))
        .when(pl.col("does") != "none")
        .then(pl.lit("applied"))
        .when(verdict == "accept")
        .then(pl.lit("settled"))
        .otherwise(pl.lit("waiting"))
    )
    return (
        joined.with_columns(does=does)
        .with_columns(
            write=pl.when(verdict == "edit").then("write_own").otherwise("after"),
            state=state,
        )
        .select(*model.FINDINGS.names(), "does", "write", "state", "stale")
    )


def _answered_by(findings: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Put the last decision beside each finding, and whether it is stale."""
    if last.is_empty():  # a join would copy all findings: 700 MB of 3,500,000
        nobody = {name: pl.lit(None, dtype=pl.String) for name in ("verdict", "saw", "write_own")}
        return findings.with_columns(**nobody, stale=pl.lit(value=False))
    joined = findings.join(last, left_on="id", right_on="finding", how="left", maintain_order="left")
    answered = joined.filter(pl.col("saw").is_not_null())
    now = pl.DataFrame({"id": answered["id"], "now": seen(answered)})
    joined = joined.join(now, on="id", how="left", maintain_order="left")
    return joined.with_columns(stale=pl.col("saw").is_not_null() & (pl.col("saw") != pl.col("now")))


def close(settled: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Mark as settled what waits and asks nothing any more of the examples that are `kept`, which have `id` and `label`.

    That is what is said of an example that is out; a conflict of labels whose twins are out, or have the same label by
    now; and of the two rules that ask about such a twin, the one that was not answered when a person rejected the other.

    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": "hi", "label": "a"}, {"text": "Hi", "label": "b"}])
    >>> said = pl.DataFrame({"rule": CONFLICT, "example": rows["id"], "others": [[rows["id"][1]], [rows["id"][0]]]})
    >>> found = settle(model.as_findings(said), pl.DataFrame(schema=model.DECISIONS))
    >>> close(found, rows)["state"].to_list(), close(found, rows[:1])["state"].to_list()
    (['waiting', 'waiting'], ['settled', 'settled'])
    """
    waiting = settled.lazy().filter(pl.col("state") == "waiting")
    labels = kept.lazy().select("id", "label")
    out = waiting.select("id", "example").join(labels, left_on="example", right_on="id", how="anti").select("id")
    asked = pl.concat([out, _agreed(waiting, labels), _answered(settled.lazy(), waiting)]).unique().collect()
    if asked.is_empty():
        return settled
    done = pl.col("id").is_in(asked["id"].implode()) & (pl.col("state") == "waiting")
    return settled.with_columns(state=pl.when(done).then(pl.lit("settled")).otherwise("state"))


def _agreed(waiting: pl.LazyFrame, labels: pl.LazyFrame) -> pl.LazyFrame:
    """Return the conflicts in which no twin is left with another label."""
    conflicts = waiting.filter(pl.col("rule") == CONFLICT).select("id", "example", twin="others")
    own, theirs = labels.rename({"label": "own"}), labels.rename({"label": "theirs"})
    apart = (
        conflicts.explode("twin")
        .join(own, left_on="example", right_on="id")
        .join(theirs, left_on="twin", right_on="id")
        .filter(pl.col("own") != pl.col("theirs"))
    )
    return conflicts.select("id").join(apart.select("id"), on="id", how="anti")


def _answered(settled: pl.LazyFrame, waiting: pl.LazyFrame) -> pl.LazyFrame:
    """Return what asks about a twin with another label where a person has said under the other rule that it is right."""
    twins = pl.col("rule").eq(CONFLICT) | (pl.col("rule").eq(DOUBT) & (pl.col("score") == 1))  # 1: a twin, no likeness
    right = settled.filter(twins & (pl.col("state") == "overruled")).select("example")
    return waiting.filter(twins).join(right, on="example", how="semi").select("id")


def apply(
    examples: pl.DataFrame, findings: pl.DataFrame, decisions: pl.DataFrame, *, answer: str = "json"
) -> pl.DataFrame:
    """Return the examples after the findings and the decisions on them: edits written, drops left out.

    Rows keep their order and their ids. Rejecting every finding gives back the same examples.

    >>> from tuneset.testing import examples
    >>> rows = examples(["hello", ""])
    >>> said = model.as_findings(pl.DataFrame({"rule": "empty-text", "example": rows["id"][1:], "action": "drop", "says": "no text"}))
    >>> apply(rows, said, pl.DataFrame(schema=model.DECISIONS))["text"].to_list()
    ['hello']
    """
    if findings.is_empty():
        return examples
    settled = settle(findings, decisions)
    edits = settled.filter(pl.col("does") == "edit")
    for field in EDITABLE:
        examples = _edited(examples, edits.filter(pl.col("field") == field), field, answer)
    drops = settled.filter(pl.col("does") == "drop").select("example")
    if drops.is_empty():
        return examples
    return examples.join(drops, left_on="id", right_on="example", how="anti", maintain_order="left")


def _edited(examples: pl.DataFrame, edits: pl.DataFrame, field: str, answer: str) -> pl.DataFrame:
    if edits.is_empty():
        return examples
    column = field.removeprefix("/")
    values = edits.unique("example", keep="last").select(id="example", write="write", edited=pl.lit(value=True))
    joined = examples.join(values, on="id", how="left", maintain_order="left")
    touched = pl.col("edited").fill_null(value=False)
    joined = joined.with_columns(pl.when(touched).then("write").otherwise(column).alias(column))
    if field == "/labels":
        written = answers(joined.filter(touched)["labels"], answer)
        joined = _overwrite(joined, touched, {"label": written})
    if field == "/messages":
        spoken = conversations(joined.filter(touched)["messages"])
        joined = _overwrite(joined, touched, {"text": spoken["text"], "label": spoken["label"]})
    return joined.select(examples.columns)


def _overwrite(frame: pl.DataFrame, touched: pl.Expr, values: dict[str, pl.Series]) -> pl.DataFrame:
    """Put new values, one for each touched row, where `touched` is true."""
    numbered = frame.with_row_index("row_number")
    rows = numbered.filter(touched)["row_number"]
    return (
        numbered.update(pl.DataFrame({"row_number": rows, **values}), on="row_number", include_nulls=True)
        .sort("row_number")
        .drop("row_number")
    )


def fates(everything: pl.DataFrame, settled: pl.DataFrame, kept: pl.Series) -> pl.DataFrame:
    """Say for each example that came in what became of it: `id`, `fate`, `rule`, `says`, `twin`.

    An example is merged when the finding that dropped it names a twin with the same answer, or one that holds all of it,
    that survives, itself or through the twin it was merged into; otherwise it is dropped, as is what a person drops over
    a finding that did not ask for it.

    Raises AssertionError when an example is out without a finding that says why: that would be a bug of ours.
    """
    drops = settled.filter(pl.col("does") == "drop").unique("example", keep="first", maintain_order=True)
    drops = drops.with_columns(twin=pl.when(pl.col("action") == "drop").then(pl.col("others").list.first()))
    out = (
        everything.select("id", "label")
        .join(
            drops.select(id="example", rule="rule", says="says", twin="twin"),
            on="id",
            how="left",
            maintain_order="left",
        )
        .with_columns(is_kept=pl.col("id").is_in(kept.implode()))
    )
    lost = out.filter(~pl.col("is_kept") & pl.col("rule").is_null())
    if not lost.is_empty():
        raise AssertionError(f"{lost.height} examples vanished without a finding, {lost['id'][0]} among them")
    out = out.with_columns(
        pl.when(~pl.col("is_kept")).then(pl.col(name)).alias(name) for name in ("rule", "says", "twin")
    )
    onward = out.filter(pl.col("twin").is_not_null() & ~pl.col("is_kept")).select(twin="id", onward="twin")
    for _ in range(64):  # each round follows one merge; a chain is at most as long as the number of steps that merge
        followed = out.join(onward, on="twin", how="left", maintain_order="left")
        moving = followed["onward"].is_not_null()
        if not moving.any():
            break
        out = followed.with_columns(twin=pl.coalesce("onward", "twin")).drop("onward")
    answers_of = everything.select(twin="id", twin_label="label")
    out = out.join(answers_of, on="twin", how="left", maintain_order="left")
    answers = pl.col("twin_label").eq_missing(pl.col("label")) | pl.col("rule").is_in(HELD)
    survives = pl.col("twin").is_in(kept.implode()) & answers
    fate = pl.when("is_kept").then(pl.lit("kept")).when(survives).then(pl.lit("merged")).otherwise(pl.lit("dropped"))
    return out.with_columns(fate=fate, twin=pl.when(survives).then("twin")).select("id", "fate", "rule", "says", "twin")
