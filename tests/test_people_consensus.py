"""What people agree on: majority, Dawid-Skene and MACE, and what that says of each person."""

import json

import crowd_kit
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset.errors import RecipeError
from tuneset.people import dawid_skene, mace
from tuneset.people.answers import coded
from tuneset.people.consensus import METHODS, consensus, posterior
from tuneset.people.contributors import contributors

THEIRS = json.loads(crowd_kit.FILE.read_text())["pools"]


def table(rows):
    return pl.DataFrame(rows, schema=["item", "contributor", "value"], orient="row").cast(pl.String)


def pool(which):
    rows, truth = crowd_kit.pool(*which)
    return table(rows), truth


@st.composite
def answers(draw, most=6):
    cell = st.tuples(st.integers(0, most), st.integers(0, 3))
    cells = draw(st.dictionaries(cell, st.sampled_from("abc"), min_size=1, max_size=20))
    return table([(f"i{i}", f"c{c}", value) for (i, c), value in cells.items()])


@pytest.fixture
def to_the_end(monkeypatch):
    """Let both models learn until nothing moves, as crowd-kit was told to."""
    for module in (dawid_skene, mace):
        monkeypatch.setattr(module, "ROUNDS", 5000)
        monkeypatch.setattr(module, "ENOUGH", 0)


def agrees_with(theirs, rows):
    told = coded(rows)
    fit = dawid_skene.dawid_skene(told, published=True)
    ways = {"majority": dawid_skene.votes(told), "dawid-skene": fit.candidates, "mace": mace.mace(told).candidates}
    for method, found in ways.items():
        assert set(found.item.tolist()) == set(range(len(told.items)))
        for item, label, p in zip(*(each.tolist() for each in found), strict=True):
            assert p == pytest.approx(theirs[method][told.items[item]][told.labels[label]], abs=2e-6)
    assert fit.shares == pytest.approx([theirs["shares"][label] for label in told.labels], abs=2e-6)
    for person, truth, said, _, p in fit.confusion.iter_rows():
        assert p == pytest.approx(
            theirs["errors"][f"{told.people[person]} {told.labels[said]}"][told.labels[truth]], abs=2e-6
        )
    known = [theirs["known"][who] for who in told.people]
    assert mace.mace(told).trust == pytest.approx(known, abs=0.02)  # ours is a mean, theirs in the middle of logarithms


@pytest.mark.parametrize("which", crowd_kit.POOLS, ids=str)
def test_the_models_are_those_of_crowd_kit(which, to_the_end):
    agrees_with(THEIRS[str(which)], pool(which)[0])


@pytest.mark.filterwarnings("ignore")  # crowd-kit is of 2025 and pandas has moved on
def test_the_models_are_those_of_crowd_kit_where_it_is_installed(to_the_end):
    try:
        import crowdkit  # noqa: F401
    except ImportError:
        which = crowd_kit.POOLS[0]  # it is not: the file says what it said
        agrees_with(THEIRS[str(which)], pool(which)[0])
        return
    which = (9, 60, 8, 3, 4)
    agrees_with(crowd_kit.answered(crowd_kit.pool(*which)[0]), pool(which)[0])


@pytest.mark.parametrize("which", crowd_kit.POOLS, ids=str)
def test_the_models_are_better_than_a_majority(which):
    rows, truth = pool(which)
    right = {}
    for method in METHODS:
        found = consensus(rows, method)
        right[method] = np.mean([value == true for value, true in zip(found["value"], truth, strict=True)])
    assert min(right["dawid-skene"], right["mace"]) > right["majority"]


@pytest.mark.parametrize("which", crowd_kit.POOLS, ids=str)
def test_decisions_are_mostly_those_of_crowd_kit_and_no_worse(which):
    rows, truth = pool(which)
    for method, least in (("dawid-skene", 0.9), ("mace", 1)):  # ours of the first is a careful one
        ours = consensus(rows, method)["value"].to_list()
        theirs = [max(row, key=row.get) for _, row in sorted(THEIRS[str(which)][method].items())]
        assert np.mean([one == other for one, other in zip(ours, theirs, strict=True)]) >= least
        right = [np.mean([one == other for one, other in zip(said, truth, strict=True)]) for said in (ours, theirs)]
        assert right[0] >= right[1]


@given(answers(), st.sampled_from(METHODS), st.integers(0, 1000))
def test_the_order_of_rows_changes_nothing(rows, method, seed):
    assert consensus(rows.sample(fraction=1, shuffle=True, seed=seed), method).equals(consensus(rows, method))
    assert consensus(rows, method, seed=seed)["item"].to_list() == sorted(rows["item"].unique())


@given(answers(), st.permutations("abc"))
def test_other_names_of_labels_give_the_same_majority_by_its_other_name(rows, labels):
    one, other = consensus(rows), consensus(rows.with_columns(pl.col("value").replace_strict(list("abc"), labels)))
    back = dict(zip(labels, "abc", strict=True))
    assert [back.get(value) for value in other["value"]] == one["value"].to_list()
    assert [sorted(back[value] for value in tied) for tied in other["tied"]] == one["tied"].to_list()
    assert other.select("item", "sure", "answers").equals(one.select("item", "sure", "answers"))


@pytest.mark.parametrize("method", ["dawid-skene", "mace"])
def test_other_names_of_labels_and_people_give_the_same_consensus_by_its_other_name(method):
    rows, _ = pool(crowd_kit.POOLS[3])
    names = ("v0", "v1", "v2", "v3"), ("v2", "v0", "v3", "v1")
    other = rows.with_columns(pl.col("value").replace_strict(*names), "c" + pl.col("contributor").str.reverse())
    one, two = consensus(rows, method), consensus(other, method)
    assert two["value"].to_list() == one["value"].replace_strict(*names).to_list()
    assert two["sure"].to_list() == pytest.approx(one["sure"].to_list(), abs=0.01)


@given(answers(), st.sampled_from(METHODS))
def test_posteriors_are_shares_and_what_is_tied_is_said(rows, method):
    shares = posterior(rows, method).group_by("item").agg(pl.col("p").sum(), pl.col("p").min().alias("least"))
    assert shares["least"].min() > 0
    assert shares["p"].max() <= 1 + 1e-9
    if method != "mace":  # which leaves some to labels that nobody gave
        assert shares["p"].min() >= 1 - 1e-4
    found = consensus(rows, method)
    assert found.filter(pl.col("value").is_null() != (pl.col("tied").list.len() > 1)).is_empty()
    assert found.filter(pl.col("adjudicate") != (pl.col("value").is_null() | (pl.col("sure") < 0.8))).is_empty()
    assert found["answers"].sum() == rows.height


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30), st.sampled_from(METHODS))
def test_one_answer_to_each_item_is_its_answer(values, method):
    rows = table([(f"i{n:02}", f"c{n % 3}", value) for n, value in enumerate(values)])
    found = consensus(rows, method)
    assert found["value"].to_list() == values
    if method != "mace":
        assert found["sure"].min() == 1


def test_a_tie_is_said_and_not_broken():
    disagree = table([("a", "x", "no"), ("a", "y", "yes")])
    for method in ("majority", "dawid-skene"):
        assert consensus(disagree, method).select("value", "tied", "adjudicate").rows() == [(None, ["no", "yes"], True)]
    assert consensus(disagree, "mace")["adjudicate"].item()  # whom it trusts is the start's choice, and it is not sure
    assert consensus(table([("a", "x", "no")])).select("value", "sure", "tied", "adjudicate").row(0) == (
        "no",
        1,
        [],
        False,
    )


@given(answers(most=12))
def test_an_item_is_one_of_the_labels_that_someone_gave_to_it(rows):
    told = coded(rows)
    fit = dawid_skene.dawid_skene(told)
    given_there = set(zip(told.item.tolist(), told.label.tolist(), strict=True))
    assert set(zip(fit.candidates.item.tolist(), fit.candidates.label.tolist(), strict=True)) == given_there
    assert np.bincount(fit.candidates.item, fit.candidates.p) == pytest.approx(1)


def test_a_person_who_swaps_two_labels_is_understood_by_dawid_and_skene():
    rng = np.random.default_rng(0)
    swap = {"a": "b", "b": "a"}
    truth = rng.choice(["a", "b"], 200).tolist()
    rows = [
        (f"i{n:03}", who, swap[t] if who in "xyz" else t)
        for n, t in enumerate(truth)
        for who in "uvwxyz"
        if rng.random() < 0.7
    ]
    rows += [(f"i{n:03}", "good", t) for n, t in enumerate(truth)]
    fit = dawid_skene.dawid_skene(coded(table(rows)))
    most = fit.confusion.filter(pl.col("p") > 0.5)
    assert all((row["truth"] != row["said"]) == (row["person"] >= 4) for row in most.iter_rows(named=True))


def test_where_labels_are_many_and_answers_few_the_published_model_is_sure_of_all_and_ours_is_not():
    rng = np.random.default_rng(0)
    truth, skill = rng.integers(0, 60, 1200), rng.uniform(0.4, 0.9, 10)
    who = np.argsort(rng.random((1200, 10)), axis=1)[:, :3]
    said = np.where(rng.random(who.shape) < skill[who], truth[:, None], rng.integers(0, 60, who.shape))
    rows = [(f"i{n:04}", f"c{who[n, k]}", f"v{said[n, k]:02}") for n in range(1200) for k in range(3)]
    told = coded(table(rows))
    found = {}
    for published in (True, False):
        each = dawid_skene.dawid_skene(told, published=published).candidates
        best = (
            pl.DataFrame({"item": each.item, "label": each.label, "p": each.p})
            .sort("item", "p")
            .group_by("item")
            .last()
        )
        sure = best.filter(pl.col("p") >= 0.8)
        right = [told.labels[label] == f"v{truth[item]:02}" for item, label in sure.select("item", "label").iter_rows()]
        found[published] = sure.height / 1200, np.mean(right)
    assert found[True][0] > 0.97
    assert found[False][0] < 0.9
    assert found[False][1] > found[True][1] + 0.08


def test_mace_trusts_no_one_who_makes_answers_up_and_its_starts_are_drawn_from_the_seed():
    rows, _ = pool(crowd_kit.POOLS[3])
    fit = mace.mace(coded(rows))
    assert max(fit.trust[:2]) < 0.1
    assert min(fit.trust[2:]) > 0.5
    assert consensus(rows, "mace").equals(consensus(rows, "mace", seed=0))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_one_label_and_ten_thousand_labels_are_no_trouble(method):
    nobody = consensus(table([("a", "x", None), ("b", None, "1"), (None, "x", "1")]), method)
    assert nobody.height == 0
    assert nobody.schema == consensus(table([("a", "x", "1")]), method).schema
    one = consensus(table([("a", "x", "1"), ("a", "y", "1"), ("b", "x", "1")]), method)
    assert one["value"].to_list() == ["1", "1"]
    many = table([(f"i{n:05}", who, f"v{n:05}") for n in range(10_000) for who in "xy"])
    assert consensus(many, method)["value"].to_list() == [f"v{n:05}" for n in range(10_000)]
    hostile = ["", "'; drop table", "a\x00b", "<script>", "{0}", "\u00e9", "e\u0301", "\U0001f600"]
    named = consensus(table([(name, who, name) for name in hostile for who in hostile]), method)
    assert named["value"].to_list() == named["item"].to_list() == sorted(hostile, key=str.encode)


def test_an_unknown_method_is_refused_with_the_nearest():
    for ask in (consensus, posterior):
        with pytest.raises(RecipeError, match="'dawid-skene'"):
            ask(table([("a", "x", "1")]), "dawid_skene")


def judged(seed=0, items=300, people=10):
    """Three bad ones among ten: one makes answers up in a hurry, one swaps b for c, one is right half of the time."""
    rng = np.random.default_rng(seed)
    rows = []
    for n, true in enumerate(rng.choice(list("abcd"), items).tolist()):
        for who in rng.permutation(people)[:5].tolist():
            skill = {0: 0.0, 2: 0.5}.get(who, 0.9)
            value = true if rng.random() < skill else str(rng.choice(list("abcd")))
            value = "c" if who == 1 and true == "b" and rng.random() < 0.7 else value
            seconds = float(np.exp(rng.normal(2, 0.6)) * (0.2 if who == 0 else 1))
            rows.append((f"i{n:03}", f"c{who}", value, seconds, true if n < 60 else None))
    return pl.DataFrame(rows, schema=["item", "contributor", "value", "seconds", "gold"], orient="row")


def test_each_person_is_counted_as_one_would_count_by_hand():
    rows = judged()
    found = contributors(rows)
    assert found["contributor"].to_list() == [f"c{n}" for n in range(10)]
    for row in found.iter_rows(named=True):
        own = rows.filter(pl.col("contributor") == row["contributor"])
        others = rows.filter(pl.col("contributor") != row["contributor"])
        votes = others.group_by("item", "value").len().filter(pl.col("len") == pl.col("len").max().over("item"))
        clear = votes.filter(pl.len().over("item") == 1).select("item", theirs="value")
        compared = own.join(clear, on="item")
        # An answer that is as frequent as the only rival is no tie of the others: they have a majority without it.
        assert row["compared"] == compared.height
        assert row["agrees"] == pytest.approx((compared["value"] == compared["theirs"]).mean())
        known = own.drop_nulls("gold")
        assert row["gold"] == known.height
        assert row["right"] == pytest.approx((known["value"] == known["gold"]).mean())
        assert row["right_low"] < row["right"] < row["right_high"] or row["right"] in {0, 1}
        assert row["seconds"] == pytest.approx(own["seconds"].median())
        assert row["fast"] == pytest.approx((own["seconds"] < others["seconds"].median() / 3).mean())


@pytest.mark.parametrize("seed", range(3))
def test_those_who_should_be_talked_to_are_named_with_the_reason_and_no_one_else(seed):
    why = dict(contributors(judged(seed)).select("contributor", "why").iter_rows())
    assert {who for who, reasons in why.items() if reasons} == {"c0", "c1", "c2"}
    assert any("less than a third of the others' time" in each for each in why["c0"])
    assert any(each.startswith("right on ") for each in why["c0"])
    assert any("says 'c' on" in each and "items that are 'b'" in each for each in why["c1"])
    assert any("says the same as the others on" in each for each in why["c2"])
    assert not any("time" in each for who in ("c1", "c2") for each in why[who])


def test_what_was_not_asked_is_not_known_and_one_person_alone_is_compared_with_nobody():
    found = contributors(table([(f"i{n}", "x", str(n % 2)) for n in range(30)]))
    row = found.row(0, named=True)
    assert (row["answers"], row["compared"], row["gold"], row["timed"], row["why"]) == (30, 0, 0, 0, [])
    unknown = ("agrees", "agrees_low", "agrees_high", "right", "right_low", "right_high", "seconds", "fast", "truth")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert contributors(table([])).height == 0
