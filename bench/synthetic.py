"""Measure what the checks on synthetic rows find, what they cost real rows, and what they gain.

    python bench/synthetic.py --copies    copies and one-word edits planted in BANKING77 and CLINC150; real rows rejected
    python bench/synthetic.py --leak      what a score is worth where validation rows were seeds, and where they were not
    python bench/synthetic.py --judge     accuracy with and without the checks, off-label rows caught, good rows lost

The synthetic rows of --leak and --judge are real: ten paraphrases by ChatGPT of each of 1,000 rows of BANKING77.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, model, near
from tuneset.apply import apply
from tuneset.clean import ModelTalk, OffLabel
from tuneset.dedupe import SeedCopy
from tuneset.features import cache_folder
from tuneset.features.ngrams import BUCKETS, counts
from tuneset.generate.audit import classified
from tuneset.generate.copies import rouge_l, without_a_word
from tuneset.split import draw, place
from tuneset.step import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
EMBEDDER = os.environ.get("TUNESET_EMBEDDER", "")
SIZES = (200, 500, 2000, 0)  # real rows; 0: all there are
SHOWN = 4  # seeds that a prompt shows
UNDECIDED = pl.DataFrame(schema=model.DECISIONS)


def tables(data: Path) -> dict[str, pl.DataFrame]:
    """Read BANKING77 and CLINC150, each text once: text and label."""
    read = {
        "BANKING77": pl.read_csv(data / "banking77" / "train.csv").select("text", label="category"),
        "CLINC150": pl.read_csv(data / "clinc150" / "clinc150.csv")
        .filter(pl.col("sub_category") != "oos")
        .select(text="inquiry", label="sub_category"),
    }
    return {
        name: rows.with_columns(form=near.normal(rows["text"])).unique("form", keep="first", maintain_order=True)
        for name, rows in read.items()
    }


def paraphrased(data: Path) -> pl.DataFrame:
    """Read the paraphrases: text, label, seed (a number) and the seed's own text."""
    read = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv", infer_schema=False)
    return read.select(text="ChatGPT's Paraphrase", label="Label", seed="GUID", original="Original Example")


def made(
    texts: Sequence[str],
    labels: Sequence[str],
    ids: Sequence[str],
    *,
    seeds: Sequence[Sequence[str]] | None = None,
    judged: Sequence[dict[str, Any] | None] | None = None,
) -> pl.DataFrame:
    """Make examples, real ones or, where seeds are given, synthetic ones."""
    lineage = [[f"seed:{seed}" for seed in each] for each in seeds] if seeds is not None else [[] for _ in texts]
    told = judged if judged is not None else [None] * len(texts)
    origins = [json.dumps({"synthetic": True, "judged": each}) if seeds is not None else "{}" for each in told]
    labelled = [json.dumps({"category": label}) for label in labels]
    full = {
        "id": ids,
        "text": texts,
        "label": labelled,
        "labels": labelled,
        "messages": [None] * len(texts),
        "source": ["bench"] * len(texts),
        "groups": lineage,
        "origin": origins,
        "extra": [None] * len(texts),
    }
    return pl.DataFrame(full, schema=model.EXAMPLES)


# ---- copies


def one_word_other(words: list[str], kind: str, vocabulary: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Change one word: exchange it, leave it out, put one in, or swap it with the next."""
    at = int(rng.integers(len(words)))
    other = str(rng.choice([word for word in vocabulary if word != words[at]]))
    match kind:
        case "exchanged":
            return [*words[:at], other, *words[at + 1 :]]
        case "left out":
            return [*words[:at], *words[at + 1 :]]
        case "put in":
            return [*words[:at], other, *words[at:]]
        case _:
            at = min(at, len(words) - 2)
            return [*words[:at], words[at + 1], words[at], *words[at + 2 :]]


KINDS = ("copied", "exchanged", "left out", "put in", "swapped")
REAL = ("real", "twin")


class Planted(NamedTuple):
    """One row planted in a set, or shown as if it were synthetic: what it is, and whether it was rejected."""

    kind: str  # one of KINDS; "real", or "twin" of a real row that is one word apart from another one
    words: int  # of the real row
    lineage: bool
    ours: bool
    usual: bool  # by ROUGE-L of .7 with any row, as Self-Instruct does


def planted(rows: pl.DataFrame, size: int, rng: np.random.Generator, most: int = 500) -> list[Planted]:
    """Plant copies and edits of real rows, and show other real rows as synthetic; with and without their lineage."""
    drawn = rng.permutation(rows.height)
    held = min(most, max(size // 4, 50)) if size else most
    size = min(size or rows.height, rows.height - held)
    real, others = rows[drawn[:size]], rows[drawn[size : size + held]]
    ids = [f"r{number}" for number in range(size)]
    pool = made(real["text"].to_list(), real["label"].to_list(), ids)
    vocabulary = [word for form in real["form"].head(500) for word in form.split()]
    of = [int(at) for at in rng.permutation(size) if len(real["form"][int(at)].split()) > 1][:held]
    kinds = [KINDS[number % len(KINDS)] for number in range(len(of))]
    edits = [
        real["text"][at].upper()
        if kind == "copied"
        else " ".join(one_word_other(real["form"][at].split(), kind, vocabulary, rng))
        for at, kind in zip(of, kinds, strict=True)
    ]
    by_label = dict(real.with_row_index("at").group_by("label").agg("at").iter_rows())

    def shown(label: str, besides: list[int]) -> list[str]:
        near_by = rng.permutation(np.array([at for at in by_label.get(label, []) if at not in besides], np.int64))
        return [ids[at] for at in [*besides, *near_by.tolist()][:SHOWN]]

    labels = real["label"].gather(of).to_list()
    lineages: dict[bool, tuple[list[list[str]], list[list[str]]]] = {
        True: (
            [shown(label, [at]) for label, at in zip(labels, of, strict=True)],
            [shown(label, []) for label in others["label"]],
        ),
        False: ([[] for _ in of], [[] for _ in range(others.height)]),
    }
    out = []
    usual_edits, usual_real = (
        rouged(near.normal(pl.Series(edits)).to_list(), real["form"]),
        rouged(others["form"].to_list(), real["form"]),
    )
    known = {rest for form in real["form"] for rest in without_a_word(tuple(form.split()))}
    twins = [any(rest in known for rest in without_a_word(tuple(form.split()))) for form in others["form"]]
    for lineage, (theirs, none) in lineages.items():
        found = rejected(pool, edits, labels, theirs)
        sizes = [len(real["form"][at].split()) for at in of]
        out += [
            Planted(kind, words, lineage, ours, usual)
            for kind, words, ours, usual in zip(kinds, sizes, found, usual_edits, strict=True)
        ]
        found = rejected(pool, others["text"].to_list(), others["label"].to_list(), none)
        sizes = [len(form.split()) for form in others["form"]]
        out += [
            Planted("twin" if twin else "real", words, lineage, ours, usual)
            for twin, words, ours, usual in zip(twins, sizes, found, usual_real, strict=True)
        ]
    return out


def rejected(pool: pl.DataFrame, texts: list[str], labels: list[str], seeds: list[list[str]]) -> list[bool]:
    """Say which texts, shown as synthetic, the step drops."""
    ids = [f"s{number:05}" for number in range(len(texts))]
    said = run(SeedCopy(), pl.concat([pool, made(texts, labels, ids, seeds=seeds)]))
    gone = set(said.filter(pl.col("action") == "drop")["example"].to_list())
    return [each in gone for each in ids]


def rouged(forms: list[str], pool: pl.Series, limit: float = 0.7) -> list[bool]:
    """Say which texts Self-Instruct (Wang et al. 2023) would reject: ROUGE-L of .7 or more with any row of the pool."""
    from scipy import sparse

    known = [form.split() for form in pool]
    asked = [form.split() for form in forms]
    number: dict[tuple[str, int], int] = {}

    def bag(texts: list[list[str]]) -> Any:
        cells = [
            (row, number.setdefault((word, words[:at].count(word)), len(number)))
            for row, words in enumerate(texts)
            for at, word in enumerate(words)
        ]
        at, column = np.array(cells).T
        return sparse.csr_array((np.ones(len(at), np.int32), (at, column)), shape=(len(texts), 1 << 20))

    bags, theirs = bag(known), bag(asked)
    sizes = np.array([len(words) for words in known])
    out = []
    for row, words in enumerate(asked):
        shared = (bags @ theirs[[row]].T).toarray()[:, 0]  # no order keeps more words than both have
        likely = np.flatnonzero(2 * shared >= limit * (sizes + len(words)))
        out.append(any(rouge_l(words, known[at]) >= limit for at in likely.tolist()))
    return out


def copies(data: Path, draws: int, sizes: Sequence[int] = SIZES) -> pl.DataFrame:
    """Plant and look, several draws a size; one draw of all rows."""
    parts = []
    for name, rows in tables(data).items():
        for size in sizes:
            for number in range(draws if size else 2):
                found = planted(rows, size, np.random.default_rng([size, number]))
                parts.append(pl.DataFrame(found, orient="row").with_columns(set=pl.lit(name), size=pl.lit(size)))
    return pl.concat(parts)


def copies_table(found: pl.DataFrame) -> None:
    print("share rejected by seed-copy, and by ROUGE-L >= .7 with any row (Self-Instruct)\n")
    print("lineage: each row names 4 real rows of its label as its seeds, an edit the row it was made of among them\n")
    print("twinless: of the real rows, those that are not themselves one word apart from another real row\n")
    head = ["set", "rows", "lineage", "copies", "edits", *KINDS[1:], "real rows", "twinless"]
    head += ["| copies", "edits", "real rows"]
    print("  ".join(f"{each:>10}" for each in head))
    for (name, size, lineage), part in found.group_by("set", "size", "lineage", maintain_order=True):
        alone, copied = part.filter(pl.col("kind") == "real"), part.filter(pl.col("kind") == "copied")
        real, edits = part.filter(pl.col("kind").is_in(REAL)), part.filter(pl.col("kind").is_in(KINDS[1:]))
        cells = [copied["ours"], edits["ours"], *(edits.filter(pl.col("kind") == kind)["ours"] for kind in KINDS[1:])]
        cells += [real["ours"], alone["ours"], copied["usual"], edits["usual"], real["usual"]]
        shares = [f"{float(np.mean(each.to_numpy())):10.4f}" for each in cells]
        print("  ".join([f"{name:>10}", f"{size or 'all':>10}", f"{'yes' if lineage else 'no':>10}", *shares]))
    edits = found.filter(pl.col("kind").is_in(KINDS[1:]) & pl.col("lineage"))
    print("\nedits with lineage, by the words of the real row")
    for least, most in ((2, 2), (3, 3), (4, 4), (5, 6), (7, 9), (10, 99)):
        some = edits.filter(pl.col("words").is_between(least, most))
        caught = some.group_by("set", maintain_order=True).agg(pl.col("ours").mean()).rows()
        words = f"{least}" if least == most else f"{least} to {most}"
        print(f"{words:>10}  {some.height:6} rows  " + "  ".join(f"{name} {each:.3f}" for name, each in caught))


# ---- what a score is worth


def accuracy(texts: pl.Series, labels: pl.Series, asked: Sequence[tuple[pl.Series, pl.Series]]) -> list[float]:
    """Learn texts and labels (char n-grams, TF-IDF, linear SVM), and return the share of right answers on other rows."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.svm import LinearSVC

    rare = TfidfTransformer(sublinear_tf=True)
    student = LinearSVC(C=1.0, random_state=0).fit(rare.fit_transform(letters(texts)), labels.to_list())
    return [float(np.mean(student.predict(rare.transform(letters(text))) == right.to_numpy())) for text, right in asked]


def letters(texts: pl.Series) -> Any:
    """Count n-grams of 2 to 5 letters inside words; as scikit-learn's char_wb, and fifty times as fast."""
    return counts(texts)[:, :BUCKETS]


def sides(labels: pl.Series, groups: Ints, number: int, pinned: Bools | None = None) -> Bools:
    """Split as the program does, and mark the validation rows."""
    codes = labels.rank("dense").cast(pl.Int64).to_numpy() - 1
    return np.asarray(place(codes, groups, seed=number, pinned=pinned).side == 1, np.bool_)


class Worth(NamedTuple):
    """What a way to augment and split says of itself, and what is true."""

    way: str
    validation: float
    test: float


def leak(data: Path, number: int, rows: int = 500) -> list[Worth]:
    """Draw some seeds, augment and split them in several ways, and compare accuracy on validation with the test set's."""
    written, test = paraphrased(data), pl.read_csv(data / "banking77" / "test.csv")
    seeds = written.unique("seed", keep="first", maintain_order=True).sort("seed")
    real = seeds.sample(rows, seed=number, shuffle=True).select("seed", "label", text="original")
    more = written.join(real.select("seed"), on="seed", how="semi", maintain_order="left")
    codes = real["label"].rank("dense").cast(pl.Int64).to_numpy() - 1
    held = draw(codes, 0.2, number)
    valid, train = real.filter(held), real.filter(~held)
    columns = ["text", "label", "seed"]
    of_train = more.join(train.select("seed"), on="seed", how="semi", maintain_order="left").select(columns)
    every = more.select(columns)
    whole = pl.concat([real.select(columns), every])
    lineage = whole["seed"].rank("dense").cast(pl.Int64).to_numpy() - 1
    at_random = draw(whole["label"].rank("dense").cast(pl.Int64).to_numpy() - 1, 0.2, number)
    by_lineage = sides(whole["label"], lineage, number)
    ways = {
        "no synthetic rows": (train, valid),
        "ours: split, then write from train": (pl.concat([train.select(columns), of_train]), valid),
        "naive: write from all, then split the real rows": (pl.concat([train.select(columns), every]), valid),
        "the same, near-duplicates of validation taken out": (
            pl.concat([train.select(columns), without(every, valid["text"], 0.7)]),
            valid,
        ),
        "the same, anything half alike taken out": (
            pl.concat([train.select(columns), without(every, valid["text"], 0.5)]),
            valid,
        ),
        "an augmented file split at random": (whole.filter(~at_random), whole.filter(at_random)),
        "the same file split by lineage (ours)": (whole.filter(~by_lineage), whole.filter(by_lineage)),
    }
    out = []
    for way, (learn, looked) in ways.items():
        asked = [(looked["text"], looked["label"]), (test["text"], test["category"])]
        out.append(Worth(way, *accuracy(learn["text"], learn["label"], asked)))
    return out


def without(rows: pl.DataFrame, others: pl.Series, threshold: float) -> pl.DataFrame:
    """Leave out the rows that are as alike as that, or more, to one of some texts."""
    texts = pl.concat([rows["text"], others.alias("text")])
    nearest = near.nearest(near.sets(texts), np.arange(rows.height), np.arange(rows.height, len(texts)))
    return rows.filter(nearest < threshold)


def leak_table(found: Sequence[Sequence[Worth]]) -> None:
    print(f"500 real rows, 10 paraphrases of each seed, {len(found)} draws; ± standard deviation over draws\n")
    print(f"{'':<52}{'validation':>16}{'true test':>16}{'too good by':>18}")
    for column in zip(*found, strict=True):
        values = np.array([[each.validation, each.test, each.validation - each.test] for each in column])
        mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
        cells = "".join(f"{m:>10.3f} ±{s:.3f}" for m, s in zip(mean, spread, strict=True))
        print(f"{column[0].way:<52}{cells}")


# ---- what the judge gains


class Teachers(NamedTuple):
    """Who judges the paraphrases in the place of another model, and what is taken for the truth."""

    judge: dict[str, str]  # by text: the label that a classifier reads that learned the 8,995 rows that are no seeds
    truth: dict[str, str | None]  # by text: what two agree on that learned the test rows besides; None: they do not
    by: str


def teachers(data: Path, model_: str = EMBEDDER) -> Teachers:
    """Let classifiers read every paraphrase; none of them learned a seed.

    With an embedding model (TUNESET_EMBEDDER=FOLDER) the judge reads by its vectors, which the student, who reads by
    letters, does not have; without one by letters and words.
    """
    written = paraphrased(data)
    train, test = (pl.read_csv(data / "banking77" / f"{part}.csv") for part in ("train", "test"))
    seeds = near.normal(written["original"].unique())
    others = train.filter(~near.normal(train["text"]).is_in(seeds.implode()))
    both = pl.concat([others, test])
    texts = written["text"]
    if model_:
        vectors = features.vectors(pl.concat([both["text"], texts]), model_, cache=cache_folder())
        rows, asked = vectors[: both.height], vectors[both.height :]
        judge_ = by_vectors(rows[: others.height], others["category"], asked)
        truth = by_vectors(rows, both["category"], asked), by_spelling(both, texts)
    else:
        judge_ = by_spelling(others, texts)
        truth = by_spelling(both, texts), by_words(both, texts)
    agreed = [one if one == other else None for one, other in zip(*truth, strict=True)]
    named = "an embedding model's vectors" if model_ else "letters and words"
    return Teachers(dict(zip(texts, judge_, strict=True)), dict(zip(texts, agreed, strict=True)), named)


def by_vectors(rows: Any, labels: pl.Series, asked: Any) -> list[str]:
    from sklearn.svm import LinearSVC

    return list(map(str, LinearSVC(C=1.0, random_state=0).fit(rows, labels.to_list()).predict(asked)))


def by_spelling(rows: pl.DataFrame, asked: pl.Series) -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    read = make_pipeline(make_union(letters, words), LinearSVC(C=1.0, random_state=0))
    return list(map(str, read.fit(rows["text"].to_list(), rows["category"].to_list()).predict(asked.to_list())))


def by_words(rows: pl.DataFrame, asked: pl.Series) -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    read = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), ComplementNB(alpha=0.3))
    return list(map(str, read.fit(rows["text"].to_list(), rows["category"].to_list()).predict(asked.to_list())))


class Gained(NamedTuple):
    """Accuracy on the test rows by what was done, and what the judge caught and lost."""

    accuracy: dict[str, float]
    kept: dict[str, int]
    caught: dict[str, float]  # share of the rows off their label that are out
    lost: dict[str, float]  # share of the good rows that are out


WAYS = ("real rows only", "no checks", "talk and copies", "and another model judges", "and our classifier judges")


def judge(data: Path, known: Teachers, size: int, number: int) -> Gained:
    """Draw seeds, take all their paraphrases, and learn from what each way leaves."""
    written, test = paraphrased(data), pl.read_csv(data / "banking77" / "test.csv")
    seeds = written.unique("seed", keep="first", maintain_order=True).sort("seed").sample(size, seed=number)
    real = made(seeds["original"].to_list(), seeds["label"].to_list(), seeds["seed"].to_list())
    more = written.join(seeds.select("seed"), on="seed", how="semi", maintain_order="left")
    texts, labels = more["text"].to_list(), more["label"].to_list()
    ids = [f"s{place:05}" for place in range(len(texts))]
    lineage = [[each] for each in more["seed"].to_list()]

    def written_rows(judged: Sequence[dict[str, Any] | None] | None) -> pl.DataFrame:
        return made(texts, labels, ids, seeds=lineage, judged=judged)

    bare = written_rows(None)
    by_model = [
        {
            "by": "teacher",
            "verdict": "agrees" if known.judge[text] == label else "disagrees",
            "labels": {"category": known.judge[text]},
            "score": None,
        }
        for text, label in zip(texts, labels, strict=True)
    ]
    cut = checked(pl.concat([real, bare]), (ModelTalk(), SeedCopy()))
    left = {
        "real rows only": real,
        "no checks": pl.concat([real, bare]),
        "talk and copies": cut,
        "and another model judges": judged_away(cut, written_rows(by_model)),
        "and our classifier judges": judged_away(cut, written_rows(classified(real, bare))),
    }
    gained = Gained({}, {}, {}, {})
    answer = dict(zip(ids, zip(texts, labels, strict=True), strict=True))
    off = {each for each, (text, label) in answer.items() if known.truth[text] not in (None, label)}
    good = {each for each, (text, label) in answer.items() if known.truth[text] == label}
    for way, rows in left.items():
        category = rows["labels"].str.json_path_match("$.category")
        gained.accuracy[way] = accuracy(rows["text"], category, [(test["text"], test["category"])])[0]
        gained.kept[way] = rows.height - size
        here = set(rows["id"].to_list())
        gained.caught[way], gained.lost[way] = (len(which - here) / len(which) for which in (off, good))
    return gained


def checked(rows: pl.DataFrame, steps: Sequence[Any]) -> pl.DataFrame:
    """Apply what steps say, suggestions too."""
    for each in steps:
        rows = apply(rows, run(each, rows).with_columns(when=pl.lit("default")), UNDECIDED)
    return rows


def judged_away(rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Leave out what the judge disagrees with."""
    said = run(OffLabel(), judged).filter(pl.col("action") == "drop")
    return rows.filter(~pl.col("id").is_in(said["example"].to_list()))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval (Student's t over draws)."""
    from scipy.stats import t

    each = np.array(values)
    half = t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
    return float(each.mean()), float(each.mean() - half), float(each.mean() + half)


def judge_table(data: Path, draws: int) -> None:
    known = teachers(data)
    agrees = np.mean(
        [known.judge[text] == label for text, label in paraphrased(data).select("text", "label").iter_rows()]
    )
    print(f"the other model is played by a classifier on {known.by}: it agrees with {agrees:.3f} of the labels")
    clear = [label for label in known.truth.values() if label is not None]
    print(
        f"the truth is taken from {len(clear):,} of {len(known.truth):,} paraphrases on which its two readers agree\n"
    )
    for size in (200, 500):
        found = [judge(data, known, size, number) for number in range(draws)]
        print(f"\n{size} seeds, ten paraphrases each, {draws} draws")
        print(
            f"{'':<28}{'rows kept':>10}{'accuracy':>10}{'than no checks, 95 %':>28}{'off-label caught':>18}{'good lost':>11}"
        )
        for way in WAYS:
            mean, low, high = interval([each.accuracy[way] - each.accuracy["no checks"] for each in found])
            kept, right, caught, lost = (
                np.mean([part[way] for part in parts])
                for parts in (
                    [each.kept for each in found],
                    [each.accuracy for each in found],
                    [each.caught for each in found],
                    [each.lost for each in found],
                )
            )
            gain = f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"
            print(f"{way:<28}{kept:>10.0f}{right:>10.4f}{gain:>28}{caught:>18.3f}{lost:>11.3f}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in ("copies", "leak", "judge"):
        asked.add_argument(f"--{part}", action="store_true")
    asked.add_argument("--draws", type=int, default=0, help="draws of rows, 10 where not given")
    given = asked.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "copies": lambda: copies_table(copies(DATA, given.draws or 10)),
        "leak": lambda: leak_table([leak(DATA, number) for number in range(given.draws or 10)]),
        "judge": lambda: judge_table(DATA, given.draws or 10),
    }
    for part, does in parts.items():
        if getattr(given, part):
            does()


if __name__ == "__main__":
    main()
