"""An engine runs steps elsewhere and says the same: by Daft in this process, on a cluster, and where a worker is killed."""

import os
import pickle
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuneset
from tuneset import errors, near, step
from tuneset.clean import EmptyText, TooShort
from tuneset.dedupe import ExactDuplicate
from tuneset.engines import LOCAL, cluster, engine
from tuneset.testing import examples

TESTS = Path(__file__).parent
MESSY = TESTS.parent / "examples" / "customer_intent_messy.csv"


@dataclass(frozen=True)
class Refuses:
    """Raise what it is given."""

    rule = "refuses"
    scope = "example"
    error: BaseException

    def __call__(self, _):
        raise self.error


@pytest.fixture
def native(monkeypatch):
    monkeypatch.setattr(cluster, "SMALL", 0)
    monkeypatch.setattr(cluster, "PIECE", 3)
    return engine("native")


TEXTS = st.lists(st.sampled_from(["", "ok", "where is my card?", "Where is it", None]), min_size=1, max_size=30)


@given(TEXTS, st.sampled_from(["text", "groups"]))
def test_pieces_hold_every_example_in_its_order_and_all_that_share_a_key_are_in_one(texts, key):
    rows = examples([{"text": each, "groups": [f"a:{n % 3}", f"b:{n % 4}"]} for n, each in enumerate(texts)])
    several = SimpleNamespace(scope="group", key=pl.col(key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "PIECE", 4)
        grouped, cut = cluster.pieces(several, rows), cluster.pieces(EmptyText(), rows)
    assert pl.concat(cut).equals(rows)
    place = {each: number for number, each in enumerate(rows["id"])}
    assert set().union(*(part["id"] for part in grouped)) == place.keys()
    for part in grouped:
        assert part.columns == rows.columns
        assert [place[each] for each in part["id"]] == sorted({place[each] for each in part["id"]})
    for _, one in (
        rows.select("id", key=key).explode("key").group_by("key") if key == "groups" else rows.group_by("text")
    ):
        assert any(set(one["id"]) <= set(part["id"]) for part in grouped)


@pytest.mark.parametrize("asked", [EmptyText(), TooShort(), ExactDuplicate()], ids=lambda each: each.rule)
def test_what_a_step_says_by_daft_is_what_it_says_here_row_for_row(native, asked):
    rows, told = examples([row for case in (*asked.speaks, *asked.silent) for row in case] * 4), []
    said = native.run(asked, rows, told.append)
    assert said.equals(step.run(asked, rows))
    assert told[0] == asked.rule
    assert told[-1].endswith(f": {len(told) - 1} of {len(told) - 1} parts")


def test_a_python_that_is_killed_is_asked_again_and_nothing_is_lost(tmp_path):
    command = [sys.executable, str(TESTS / "engine_killed.py"), str(tmp_path / "tomb")]
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])  # where the step's module is
    there = os.environ | {"PYTHONPATH": paths}
    told = subprocess.run(command, env=there, capture_output=True, text=True, check=True).stdout.splitlines()
    assert (tmp_path / "tomb").exists()
    assert "dies-once: asked again for what was lost (RuntimeError)" in told
    assert told[-1] == "dies-once: 4 of 4 parts"


def test_a_search_for_near_duplicates_that_others_do_in_any_order_finds_the_same_pairs():
    words, rng = np.array(["card", "order", "late", "where", "is", "my", "refund", "cancel"]), np.random.default_rng(3)
    texts = pl.Series([" ".join(rng.choice(words, 6)) for _ in range(3000)])
    asked = []

    def elsewhere(do, shared, tasks):
        asked.append(len(tasks))
        there = [pickle.dumps((do, shared, task)) for task in reversed(tasks)]
        for do_, shared_, task in map(pickle.loads, there):
            yield do_(shared_, task)

    found, expected = near.pairs(near.sets(texts), spread=elsewhere), near.pairs(near.sets(texts))
    assert len(expected.left) > 1000
    assert all(map(np.array_equal, found, expected))
    assert asked[0] > 1


def test_small_sets_stay_here():
    assert engine("native").run(EmptyText(), examples(["", "a"]), pytest.fail).height == 1


def test_what_a_step_refuses_comes_back_as_it_was_said(native):
    wanted = errors.TunesetError("what", "where", "hint")
    with pytest.raises(errors.TunesetError, match="what\n  at   where\n  try  hint"):
        native.run(Refuses(wanted), examples(["a"]), print)
    with pytest.raises(ValueError, match="a fault of the step's own"):
        native.run(Refuses(ValueError("a fault of the step's own")), examples(["a"]), print)


def test_a_step_that_cannot_travel_is_refused(native):
    local = dataclass(frozen=True)(type("Local", (EmptyText,), {}))
    with pytest.raises(errors.TunesetError, match="this step cannot be sent to another machine"):
        native.run(local(), examples(["a"]), print)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rai", "unknown engine 'rai'"),
        ("ray://here", "this is no address of a Ray cluster"),
        ("ray://127.0.0.1:9", "nothing answers at 127.0.0.1:9"),
        ("ray://127.0.0.1:99999", "nothing answers at 127.0.0.1:99999"),
    ],
)
def test_an_engine_that_cannot_be_is_refused_before_anything_is_written(tmp_path, name, words):
    code = f"import tuneset; tuneset.prepare({str(MESSY)!r}, out='out', engine={name!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert words in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("  try  ")
    assert not (tmp_path / "out").exists()


def test_without_the_extra_its_name_is_said():
    code = "import sys; sys.modules['daft'] = None; import tuneset.engines as e; e.engine('native')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'tuneset[ray]'" in done.stderr


def test_one_process_does_not_change_its_engine():
    engine("native")
    with pytest.raises(errors.TunesetError, match="Daft runs on native in this process"):
        engine("ray")
    assert engine("local") is LOCAL


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("timings.json", "lock")
    }


def start(folder, name, **environment):
    folder.mkdir(exist_ok=True)
    shutil.copy(MESSY, folder / "in.csv")
    command = [sys.executable, str(TESTS / "engine_run.py"), "in.csv", "out", name, "200"]
    return subprocess.Popen(command, cwd=folder, env=os.environ | environment, text=True, stdout=PIPE, stderr=STDOUT)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("here") / "local"
    with start(folder, "local") as process:
        process.communicate()
    return files(folder / "out")


def test_a_run_by_daft_in_this_process_leaves_the_same_bytes(here, tmp_path):
    with start(tmp_path / "native", "native") as process:
        told = process.communicate()[0]
    assert told.count("typo: 3 of 3 parts") == 1
    assert files(tmp_path / "native" / "out") == here


@contextmanager
def two_nodes():
    command = [sys.executable, str(TESTS / "two_nodes.py")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:  # which ends with its input
        yield process, process.stdout.readline().split()[1]


@pytest.fixture(scope="module")
def nodes():
    with two_nodes() as started:
        yield started


def test_two_nodes_of_which_one_loses_its_worker_leave_the_same_bytes(here, nodes, tmp_path):
    process, address = nodes
    killed, told = "", []
    with start(tmp_path / "ray", "ray", RAY_ADDRESS=address) as prepared:
        for line in prepared.stdout:
            told.append(line)
            if not killed and "white-space: 1 of 3 parts" in line:
                process.stdin.write("kill\n")
                process.stdin.flush()
                killed = process.stdout.readline().strip()
    assert killed.strip("[]"), "no worker was there to be killed"
    assert any("near-duplicate: " in each and " searches" in each for each in told)
    assert files(tmp_path / "ray" / "out") == here


def test_a_machine_with_other_versions_is_refused(nodes):
    code = "from tuneset.engines import engine, reach; reach.__version__ = '99'; engine('ray')"
    there = os.environ | {"RAY_ADDRESS": nodes[1]}
    done = subprocess.run([sys.executable, "-c", code], env=there, capture_output=True, text=True, check=False)
    assert f"a machine of the cluster has tuneset {tuneset.__version__} (here 99)" in done.stderr


@pytest.mark.slow
def test_where_the_cluster_is_gone_that_is_said_and_the_run_goes_on_here_to_the_same_bytes(here, tmp_path):
    folder, told = tmp_path / "ray", []
    with two_nodes() as (process, address), start(folder, "ray", RAY_ADDRESS=address) as prepared:
        for line in prepared.stdout:
            told.append(line)
            if "exact-duplicate: 1 of " in line:
                process.stdin.close()
    assert any("TunesetError: the cluster is gone" in each for each in told)
    with start(folder, "local") as prepared:
        assert "stage='clean', kind='unchanged'" in prepared.communicate()[0]
    assert files(folder / "out") == here
