from __future__ import annotations

import os
import subprocess
import sys

import pytest
from bad_inputs import CASES, Case

import tuneset
from tuneset.errors import InputError, RecipeError, TunesetError
from tuneset.sources import read

NOBODY = 65534


def as_nobody(case: Case, tmp_path) -> str:
    """Read the case's input in a process without root's rights and return the error it prints."""
    inputs, _ = case.build(tmp_path)
    for folder in (tmp_path, *list(tmp_path.parents)[:-1]):
        if folder.owner() == "root" and folder.name.startswith("pytest"):
            folder.chmod(0o755)
    script = (
        "import os, sys\n"
        "from tuneset.sources import read\n"
        "from tuneset.errors import TunesetError\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n    read(sys.argv[1])\n"
        "except TunesetError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, inputs], capture_output=True, text=True, check=True)
    return run.stdout


def test_there_are_at_least_sixty_broken_inputs_each_with_its_own_name():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_input_gives_findings_or_three_lines_and_loses_no_row(case, tmp_path):
    if case.name == "a file without permission" and os.geteuid() == 0:
        assert case.error in as_nobody(case, tmp_path)
        return
    inputs, options = case.build(tmp_path)
    if case.error:
        with pytest.raises((InputError, RecipeError)) as caught:
            read(inputs, **options)
        assert case.error in str(caught.value)
        assert len(str(caught.value).splitlines()) == 3
        assert caught.value.hint
        return
    got = read(inputs, **options)
    assert (got.examples.height, got.findings.height) == (case.rows, case.unreadable)
    assert case.says in "\n".join([*got.findings["says"], *got.said])
    unreadable = got.examples.filter(got.examples["id"].is_in(got.findings["example"].to_list()))
    assert unreadable["text"].null_count() == unreadable.height == case.unreadable
    assert set(got.findings["rule"]) <= {"unreadable-row"}
    assert got.examples["id"].n_unique() == case.rows


RENAMED = {"labels": "label", "groups": "group"}
WAITS = "an address"  # half a minute, until nobody has answered


@pytest.mark.parametrize(
    "case",
    [pytest.param(each, marks=[pytest.mark.slow] if each.name == WAITS else [], id=each.name) for each in CASES],
)
def test_the_whole_command_ends_in_three_lines_or_loses_no_row(case, tmp_path):
    inputs, options = case.build(tmp_path)
    if case.name == "a file without permission" and os.geteuid() == 0:
        (tmp_path / inputs).chmod(0o600)  # root may read it: then it is a good file
        case = case._replace(error="", rows=3)
    given = {RENAMED.get(name, name): value for name, value in options.items()}
    out = tmp_path / "a run"
    try:
        run = tuneset.prepare(inputs, out=out, **given)
    except TunesetError as error:
        assert case.error, str(error)
        assert len(str(error).splitlines()) == 3
        assert not out.exists()
        return
    assert not case.error
    balance = run.summary["balance"]
    assert balance["in"] == case.rows == balance["kept"] + balance["dropped"] + balance["merged"]
    assert run.findings("unreadable-row").height == case.unreadable
    assert run.report.exists()
