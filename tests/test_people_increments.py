import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.errors import RunError
from tuneset.people import increments
from tuneset.people.increments import increment, replay

SALT = "salt"
SIDES = {increments.TRAIN, increments.VALIDATION, increments.LEFT_OUT}
words = st.text(max_size=4)
# One state of a project: item -> its group, text and label; the next state adds, corrects, withdraws and merges.
states = st.lists(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.tuples(st.sampled_from(["g1", "g2", "g3", "g4"]), words, st.none() | words),
        max_size=8,
    ),
    min_size=1,
    max_size=4,
)


def frame(state):
    rows = [(item, *row) for item, row in state.items()]
    return pl.DataFrame(rows, schema=dict.fromkeys(("id", "group", "text", "label"), pl.String), orient="row")


def history(frames):
    found = []
    for rows in frames:
        found.append(increment(found, rows, SALT, 0.5))
    return found


@settings(max_examples=30)
@given(states)
def test_replaying_the_increments_gives_the_rows_of_now(found):
    frames = [frame(state) for state in found]
    chain = history(frames)
    for number in range(len(chain)):
        now = replay(chain[: number + 1])
        assert now.drop("side").select("id", "group", "text", "label").equals(frames[number].sort("id"))
        assert set(now["side"]) <= SIDES


@settings(max_examples=30)
@given(states)
def test_a_side_never_changes_whatever_becomes_of_the_row_and_its_group(found):
    sides = {}
    for each in history([frame(state) for state in found]):
        for item, place in each.rows.select("id", "side").iter_rows():
            assert sides.setdefault(item, place) == place


@settings(max_examples=30)
@given(states)
def test_a_new_row_never_lies_on_another_side_than_a_row_of_its_group(found):
    chain = history([frame(state) for state in found])
    for number, each in enumerate(chain):
        before = pl.concat([pl.DataFrame(schema={"id": pl.String}), *(old.rows.select("id") for old in chain[:number])])
        now = replay(chain[: number + 1])
        fresh = each.rows.filter((pl.col("op") == "add") & ~pl.col("id").is_in(before["id"].implode()))
        pairs = fresh.filter(pl.col("side") != increments.LEFT_OUT).join(now, on="group")
        assert (pairs["side"] == pairs["side_right"]).all() or pairs.filter(
            (pl.col("side") != pl.col("side_right")) & (pl.col("side_right") != increments.LEFT_OUT)
        ).is_empty()


@settings(max_examples=30)
@given(states)
def test_nothing_changed_is_an_increment_without_rows(found):
    chain = history([frame(state) for state in found])
    again = increment(chain, frame(found[-1]), SALT, 0.5)
    assert again.rows.is_empty()
    assert again.parent == chain[-1].sha256


@settings(max_examples=20)
@given(states, st.integers(0, 99))
def test_the_order_of_rows_and_of_columns_changes_no_hash(found, seed):
    frames = [frame(state) for state in found]
    turned = [
        rows.sample(fraction=1, shuffle=True, seed=seed).select("label", "id", "text", "group") for rows in frames
    ]
    assert [each.sha256 for each in history(frames)] == [each.sha256 for each in history(turned)]


@settings(max_examples=30)
@given(states)
def test_tombstones_carry_no_text_and_no_label(found):
    for each in history([frame(state) for state in found]):
        gone = each.rows.filter(pl.col("op") == "tombstone")
        assert gone["text"].null_count() == gone["label"].null_count() == gone.height


def row(item, group, text="t", label="x"):
    return pl.DataFrame({"id": [item], "group": [group], "text": [text], "label": [label]})


def on(side, start=0):
    """Return a group that begins on a side."""
    return next(name for name in (f"g{n}" for n in range(start, 99)) if increments.side(name, SALT) == side)


def test_a_member_that_joins_later_takes_the_side_of_its_group_also_when_the_rest_was_withdrawn():
    group, other = on("validation"), on("train")
    first = increment([], row("1", group), SALT)
    moved = increment([first], row("1", other), SALT)  # the row's group changes its key, the row stays
    assert moved.rows.select("op", "side").row(0) == ("correct", "validation")
    joins = increment([first, moved], pl.concat([row("1", other), row("2", other)]), SALT)
    assert joins.rows.select("op", "id", "side").rows() == [("add", "2", "validation")]
    gone = increment([first], row("9", "z").clear(), SALT)
    late = increment([first, gone], row("3", group), SALT)
    assert late.rows["side"].to_list() == ["validation"]


def test_a_row_that_ties_two_sides_together_is_left_out_and_no_row_moves():
    train, validation = on("train"), on("validation")
    first = increment([], pl.concat([row("1", train), row("2", validation)]), SALT)
    merged = pl.concat([row("1", train), row("2", train), row("3", train)])
    second = increment([first], merged, SALT)
    now = dict(replay([first, second]).select("id", "side").iter_rows())
    assert now == {"1": "train", "2": "validation", "3": "left-out"}
    assert increments.straddling([first, second]).rows() == [(train, ["1"], ["2"])]


def test_a_withdrawn_row_that_comes_back_is_on_its_old_side():
    group = on("validation")
    first = increment([], row("1", group), SALT)
    gone = increment([first], row("1", group).clear(), SALT)
    back = increment([first, gone], row("1", on("train")), SALT)
    assert back.rows.select("op", "side").rows() == [("add", "validation")]


def test_the_first_broken_increment_is_named():
    chain = history([row("1", "a"), row("1", "a", "new"), row("1", "a", "newer")])
    forged = chain[1]._replace(rows=chain[1].rows.with_columns(text=pl.lit("other")))
    with pytest.raises(RunError, match="increment 2, in place 2"):
        replay([chain[0], forged, chain[2]])
    with pytest.raises(RunError, match="increment 3, in place 2"):
        replay([chain[0], chain[2]])
    with pytest.raises(RunError, match="increment 2, in place 1"):
        increment(chain[1:], row("1", "a"), SALT)


def test_a_new_column_corrects_only_the_rows_that_have_it():
    first = increment([], pl.concat([row("1", "a"), row("2", "b")]), SALT)
    told = pl.concat([row("1", "a"), row("2", "b")]).with_columns(tone=pl.Series(["rude", None]))
    second = increment([first], told, SALT)
    assert second.rows.select("op", "id", "tone").rows() == [("correct", "1", "rude")]


def test_an_item_that_is_there_twice_is_refused():
    with pytest.raises(RunError, match="twice"):
        increment([], pl.concat([row("1", "a"), row("1", "a")]), SALT)


def test_a_text_cannot_pass_for_other_columns():
    chain = history([row("1", "a", 'x","label":"y', "z"), row("1", "a", "x", 'y","label":"z')])
    assert chain[1].rows["op"].to_list() == ["correct"]


def test_the_manifest_counts_what_is_in_it():
    chain = history([pl.concat([row("1", "a"), row("2", "b", label="y")]), row("1", "a", "new")])
    assert increments.manifest(chain[0])["ops"] == {"add": 2}
    told = increments.manifest(chain[1])
    assert (told["ops"], told["labels"], told["rows"], told["number"]) == (
        {"correct": 1, "tombstone": 1},
        {"x": 1},
        2,
        2,
    )
    assert told["parent"] == chain[0].sha256


def test_a_fifth_of_the_groups_begins_on_the_side_of_validation():
    sides = [increments.side(str(n), SALT) for n in range(10_000)]
    assert abs(sides.count("validation") / 10_000 - 0.2) < 0.015


def test_a_row_that_was_forgotten_leaves_the_hash_as_it_was_and_cannot_say_anything():
    first = increment([], pl.concat([row("1", "a"), row("2", "b")]), SALT)
    said = next(each for each in first.rows.iter_rows(named=True) if each["id"] == "1")
    gone = pl.col("id") == "1"
    emptied = first.rows.with_columns(
        pl.when(~gone).then(pl.col(name)).alias(name) for name in ("text", "label")
    ).with_columns(forgotten=pl.when(gone).then(pl.lit(increments.content_hash(said))))
    kept = first._replace(rows=emptied)
    assert replay([kept])["id"].to_list() == ["2"]
    back = increment([kept], row("1", "a", "other"), SALT)
    assert back.rows.select("op", "id").rows() == [("correct", "1"), ("tombstone", "2")]
    for forged in (emptied.with_columns(text=pl.lit("planted")), emptied.with_columns(side=pl.lit("train2"))):
        with pytest.raises(RunError):
            replay([first._replace(rows=forged)])
