"""The command line as a person or a script meets it: words, exit codes, JSON."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def command(*words, cwd=None, stdin=None, **more):
    return subprocess.run(
        [sys.executable, "-m", "tuneset", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        input=stdin,
        timeout=120,
        check=False,
        **more,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    shutil.copy(EXAMPLES / "customer_intent_messy.csv", folder / "in.csv")
    done = command("prepare", "in.csv", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return folder / "in-tuneset", done.stdout.decode()


def test_prepare_says_the_verdict_the_balance_and_three_next_actions(run):
    _, words = run
    assert "kept +" in words
    assert "dropped +" in words
    assert words.index("  get ") < words.index("  clean ") < words.index("  check ")
    for number in ("1  ", "2  ", "3  "):
        assert f"\n  {number}" in words
    assert "Report" in words
    assert "validation examples" in words


def test_json_is_one_object_and_nothing_else_on_standard_output(run):
    path, _ = run
    done = command("prepare", path, "--json")
    value = json.loads(done.stdout)
    assert value["balance"]["in"] == value["balance"]["kept"] + value["balance"]["dropped"] + value["balance"]["merged"]


def test_findings_are_listed_and_decided_and_applied(run):
    path, _ = run
    listed = json.loads(command("findings", path, "--rule", "near-duplicate", "--json").stdout)
    waiting = next(each for each in listed["findings"] if each["action"] == "drop" and each["state"] == "waiting")
    before = json.loads(command("prepare", path, "--json").stdout)["balance"]["merged"]
    done = command("decide", path, waiting["id"][:12], "accept", "--why", "twins")
    assert done.returncode == 0
    assert "prepare" in done.stdout.decode()
    assert json.loads(command("prepare", path, "--json").stdout)["balance"]["merged"] == before + 1


def test_peek_writes_nothing(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    done = command("peek", "in.csv", cwd=tmp_path)
    assert done.returncode == 0
    assert "inquiry" in done.stdout.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_init_writes_a_recipe_that_prepare_takes(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    assert command("init", "in.csv", cwd=tmp_path).returncode == 0
    assert "threshold = 0.7" in (tmp_path / "recipe.toml").read_text()
    done = command("prepare", "recipe.toml", "--out", "out", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["sides"]["validation"] == 100
    assert command("init", "in.csv", cwd=tmp_path).returncode == 2


def test_explain_shows_why_a_rule_matters():
    done = command("explain", "near-duplicate")
    assert "Why it hurts" in done.stdout.decode()
    assert "empty-text" in command("explain").stdout.decode()


def test_standard_input_is_a_source(tmp_path):
    table = (EXAMPLES / "customer_intent.csv").read_bytes()
    done = command("prepare", "-", "--json", cwd=tmp_path, stdin=table)
    assert json.loads(done.stdout)["sides"] == {"train": 400, "validation": 100, "test": 0}
    again = command("prepare", "dataset-tuneset", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["sides"]["train"] == 400


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prepare", "nowhere.csv"], "nowhere.csv"),
        (["findings", "nowhere"], "not a run folder"),
        (["explain", "near-duplicat"], "near-duplicate"),
        (["prepare", "in.csv", "--stratify", "categry", "--out", "x1"], "category"),
        (["prepare", "in.csv", "--label", "categry", "--out", "x2"], "category"),
        (["prepare", "in.csv", "--validation", "1.5", "--out", "x3"], "split.validation"),
        (["prepare", "in.csv", "--group", "custmer", "--out", "x4"], "inquiry"),
        (["prepare", "in.csv", "--answer", "{categry}", "--out", "x5"], "category"),
    ],
)
def test_a_bad_request_ends_with_three_lines_and_exit_code_2(words, says, tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    done = command(*words, cwd=tmp_path)
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert says in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 3


def test_a_set_that_fails_its_gate_ends_with_exit_code_1(tmp_path):
    (tmp_path / "in.csv").write_text("text,label\n" + "".join(f"word{n} {n * n} text,only\n" for n in range(30)))
    assert command("prepare", "in.csv", "--text", "text", "--label", "label", cwd=tmp_path).returncode == 1


def test_an_unknown_key_in_the_recipe_is_named(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    (tmp_path / "recipe.toml").write_text('[[sources]]\npaths = ["in.csv"]\n[split]\nvalidatoin = 0.3\n')
    done = command("prepare", "recipe.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "split.validatoin" in done.stderr.decode()
    assert "'validation'" in done.stderr.decode()


def _small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_gives_three_lines_and_the_run_goes_on_where_it_stopped(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    done = command("prepare", "in.csv", "--out", "out", cwd=tmp_path, preexec_fn=_small_files)
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 3
    assert not (tmp_path / "out/.tuneset/manifest.json").exists()
    assert command("prepare", "in.csv", "--out", "out", cwd=tmp_path).returncode == 0


def test_a_run_folder_that_may_not_be_written_is_three_lines():
    folder = Path(tempfile.mkdtemp())  # not pytest's: only its owner may enter that
    shutil.copy(EXAMPLES / "customer_intent.csv", folder / "in.csv")
    (folder / "locked").mkdir()
    folder.chmod(0o755)
    (folder / "locked").chmod(0o555)
    script = (
        "import os, tuneset\n"
        "tuneset.prepare('in.csv', out='warm')\n"  # nobody may read the modules: import them all before
        "if os.geteuid() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
        "try:\n    tuneset.prepare('in.csv', out='locked/out')\n"
        "except tuneset.TunesetError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    shutil.rmtree(folder)
    assert "Permission denied" in done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_no_color_and_a_pipe_give_plain_text(run):
    _, words = run
    assert "\x1b" not in words


def test_help_groups_the_commands():
    words = command("--help").stdout.decode()
    assert words.index("peek") < words.index("findings")
    assert command("--version").stdout.decode().startswith("tuneset ")


def test_shell_completion_is_there():
    program = shutil.which("tuneset", path=Path(sys.executable).parent)
    assert program
    done = subprocess.run(
        [program], capture_output=True, env=os.environ | {"_TUNESET_COMPLETE": "bash_source"}, timeout=60, check=True
    )
    assert b"_tuneset_completion" in done.stdout
