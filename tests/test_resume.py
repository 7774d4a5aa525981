"""A run that is killed at any moment and started again ends with the same bytes."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
COMMAND = [sys.executable, "-m", "tuneset", "prepare", "in.csv", "--out", "out", "--json"]
KILLS = 20


def snapshot(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("timings.json", "lock")
    }


def start(folder):
    return subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def work_begins(folder, process):
    """Wait for the run folder: before that there are only imports to be killed."""
    while not (folder / "out/.tuneset").exists() and process.poll() is None:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(EXAMPLES / "customer_intent_messy.csv", folder / "in.csv")
    process = start(folder)
    work_begins(folder, process)
    began = time.perf_counter()
    assert process.wait() == 0
    return snapshot(folder / "out"), time.perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_killed_at_twenty_random_moments_and_run_again_gives_the_same_bytes(undisturbed, tmp_path, part):
    expected, seconds = undisturbed
    moments = random.Random(7 + part)
    landed = 0
    for number in range(KILLS // 4):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(EXAMPLES / "customer_intent_messy.csv", folder / "in.csv")
        process = start(folder)
        work_begins(folder, process)
        time.sleep(seconds * moments.uniform(0.0, 0.8))
        process.kill()
        process.wait()
        landed += process.returncode == -signal.SIGKILL
        assert start(folder).wait() == 0
        assert snapshot(folder / "out") == expected, f"kill {number}"
    assert landed >= KILLS // 8


@pytest.mark.slow
def test_killed_again_and_again_in_one_folder_still_ends_the_same(undisturbed, tmp_path):
    expected, seconds = undisturbed
    shutil.copy(EXAMPLES / "customer_intent_messy.csv", tmp_path / "in.csv")
    for share in (0.2, 0.4, 0.6, 0.8):
        process = start(tmp_path)
        work_begins(tmp_path, process)
        time.sleep(seconds * share)
        process.kill()
        process.wait()
    assert start(tmp_path).wait() == 0
    assert snapshot(tmp_path / "out") == expected


def test_the_bytes_do_not_depend_on_the_number_of_threads(undisturbed, tmp_path, monkeypatch):
    expected, _ = undisturbed
    monkeypatch.setenv("POLARS_MAX_THREADS", "1")
    shutil.copy(EXAMPLES / "customer_intent_messy.csv", tmp_path / "in.csv")
    assert start(tmp_path).wait() == 0
    found = snapshot(tmp_path / "out")
    assert [name for name in expected if found.get(name) != expected[name]] == []


def test_two_runs_do_not_write_into_one_folder_at_the_same_time(tmp_path):
    from tuneset.errors import RunError
    from tuneset.folder import Folder, only_one

    (tmp_path / ".tuneset").mkdir()
    with only_one(Folder(tmp_path)), pytest.raises(RunError, match="another run"), only_one(Folder(tmp_path)):
        pass


def test_a_kill_while_the_split_is_replaced_does_not_lose_the_sides(tmp_path):
    import tuneset
    from tuneset.folder import Folder

    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out", seed=1)
    first = run.examples("validation")["id"].to_list()
    folder = Folder(run.path)
    folder.stage("split").rename(folder.inside / "replaced-split")
    assert tuneset.prepare(run.path, seed=2).examples("validation")["id"].to_list() == first
    assert not list(folder.inside.glob("replaced-*"))
