"""No synthetic row is ever on another side than what it was written from, whatever happens to the data."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tuneset
from tuneset.folder import Folder
from tuneset.generate import rows
from tuneset.generate.wanted import of
from tuneset.recipe import Source, read, to_toml

WORDS = [
    "card",
    "order",
    "refund",
    "parcel",
    "late",
    "broken",
    "blue",
    "small",
    "account",
    "login",
    "price",
    "invoice",
    "courier",
    "address",
    "wrong",
]
START = 30


def real(number):
    """A row of its own: no two are near-duplicates."""
    said = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (3, 7, 11)) + f" case {number * 7919 % 9973}"
    return {"text": said, "label": "ABC"[number % 3]}


def write(path, kept):
    pl.DataFrame(list(kept.values())).write_csv(path)


def prepared(data, run, **options):
    return tuneset.prepare(data, out=run, until="split", text="text", label="label", **options)


def sides(run):
    folder = Folder(run)
    kept = folder.table("split", "examples")
    return kept.join(folder.table("split", "split").select("id", "side"), on="id", how="left")


def generated(run, name, numbers):
    """Add rows as a model would write them: some near their seeds, some in other words; seeds of the train side only."""
    folder = Folder(run)
    source = Source(kind="synthetic", name=name, generate=of(None, model="m", rows=1))
    place = rows.place(folder, name)
    known = rows.load(place)
    train = sides(run).filter((pl.col("side") == "train") & (pl.col("source") != name)).sort("id")
    new = []
    for number in numbers:
        seeds = [train.row((number + step) % train.height, named=True) for step in range(2)]
        words = f"{seeds[0]['text']} please" if number % 2 else f"quite something else, number {number * 104729}"
        origin = {"model": "m", "seeds": [each["id"] for each in seeds], "judged": None}
        new.append(rows.Row(words, seeds[0]["labels"], origin, seeds[0]["labels"], len(known) + len(new), f"k{number}"))
    place.mkdir(parents=True, exist_ok=True)
    rows.save(place, [*known, *new], train.select("id", "text"))
    rows.end(place, source, {})
    planned = read(run / "recipe.toml")
    others = [each for each in planned.sources if each.name != name]
    (run / "recipe.toml").write_text(to_toml(planned.model_copy(update={"sources": [*others, source]})))


def hold(run, texts_of_seeds):
    """Hold a run to the law: by the ids of its seeds, and by the texts that seeds had when they were shown."""
    now = sides(run)
    side_of = dict(now.select("id", "side").iter_rows())
    by_text = {text.rstrip("."): side for text, side in now.select("text", "side").iter_rows()}  # mended or not
    written = now.filter(pl.col("origin").str.contains('"synthetic"', literal=True))
    assert set(written["side"]) <= {"train"}
    for groups in written["groups"].to_list():
        for seed in (each.removeprefix("seed:") for each in groups):
            assert side_of.get(seed, "train") == "train"
            for text in texts_of_seeds.get(seed, ()):
                assert by_text.get(text.rstrip("."), "train") == "train"
    return written.height


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("generate"), st.integers(0, 50)),
        st.tuples(st.just("resplit"), st.integers(0, 5)),
        st.tuples(st.just("add"), st.integers(0, 50)),
        st.tuples(st.just("remove"), st.integers(0, 50)),
        st.tuples(st.just("mend"), st.integers(0, 50)),
        st.tuples(st.just("mend"), st.integers(0, 50)),
    ),
    min_size=2,
    max_size=6,
)


def history(events):
    """Live through events, and hold the run to the law after each."""
    with tempfile.TemporaryDirectory() as temp:
        data, run = Path(temp) / "rows.csv", Path(temp) / "run"
        kept = {number: real(number) for number in range(START)}
        write(data, kept)
        prepared(data, run)
        generated(run, "synthetic", range(4))
        fresh, shown = START, {}
        for what, number in events:
            shown |= {
                row["id"]: {row["text"], *shown.get(row["id"], ())}
                for row in rows.seeds(Folder(run)).iter_rows(named=True)
            }
            if what == "generate":
                generated(run, "synthetic", range(100 + number, 104 + number))
            elif what == "add":
                kept |= {fresh + step: real(fresh + step) for step in range(5)}
                fresh += 5
            elif what == "remove":
                for each in sorted(kept)[number % len(kept) :: 7]:
                    del kept[each]
            elif what == "mend":  # a seed that is mended in its source has a new id, and is the seed nevertheless
                for each in sorted(kept)[number % len(kept) :: 4]:
                    kept[each] = kept[each] | {"text": f"{kept[each]['text']}."}
            write(data, kept)
            prepared(data, run, resplit=what == "resplit", seed=number if what == "resplit" else None)
            hold(run, shown)
        assert hold(run, shown) > 0


def test_seeds_that_are_mended_in_their_source_stay_with_their_rows_when_all_is_split_anew():
    history([*(("mend", number) for number in range(4)), *(("resplit", number) for number in range(3))])


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS)
def test_no_synthetic_row_is_ever_on_another_side_than_a_seed(events):
    history(events)
