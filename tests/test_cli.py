"""The command line as a person or a script meets it: words, exit codes, JSON."""

import fcntl
import json
import os
import pty
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
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


def on_a_terminal(*words, cwd=None, columns=80, **environment):
    """Run a command as a person does, on a terminal of so many columns; return what appears there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tuneset", *map(str, words)],
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean | {"TERM": "xterm"} | environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    process.wait(timeout=60)
    return shown.decode().replace("\r\n", "\n")


COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MOVE = re.compile(r"\x1b\[[0-9;?]*[A-Zhl]")


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
        (["explain", "blank-lin"], "tuneset explain lists them all"),
        (["frobnicate"], "No such command"),
        (["--frobnicate"], "No such option"),
        (["prepare"], "Missing argument"),
        (["prepare", "in.csv", "--validation", "much"], "tuneset prepare --help"),
        (["prepare", "in.csv", "--validation", "1.5", "--out", "x6"], "at   --validation 1.5"),
        (["prepare", "in.csv", "--validation", "0.5", "--test", "0.6"], "at   --validation 0.5 --test 0.6"),
        (["prepare", "in.csv", "--previous", "nowhere"], "at   --previous nowhere"),
        (["prepare", "in.csv", "--out", "in.csv"], "this is a file, not a folder"),
        (["prepare", "in.csv", "--out", "in.csv/x/y"], "at   in.csv\n"),
        (["init", "in.csv", "--out", "nowhere/recipe.toml"], "at   nowhere"),
        (["init", "in.csv", "--out", "."], "this is a folder"),
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


def test_a_refused_request_leaves_nothing_behind(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    for words in (["--previous", "nowhere"], ["--validation", "2"], ["--out", "in.csv/x"]):
        assert command("prepare", "in.csv", *words, cwd=tmp_path).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_pipe_gets_plain_text_even_where_colours_are_forced(run):
    path, words = run
    assert "\x1b" not in words
    forced = command("prepare", path, env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"}).stdout.decode()
    assert MOVE.findall(forced) == []


def test_a_terminal_gets_colours_and_movement_and_no_color_takes_every_colour_out(run):
    path, _ = run
    coloured, colourless = on_a_terminal("prepare", path), on_a_terminal("prepare", path, NO_COLOR="1")
    assert COLOUR.search(coloured)
    assert MOVE.search(coloured)
    assert COLOUR.findall(colourless) == []
    for words in (["findings", path], ["explain"], ["peek", path.parent / "in.csv"], ["findings", "nowhere"]):
        assert COLOUR.findall(on_a_terminal(*words, NO_COLOR="1")) == []


def test_a_dumb_terminal_gets_no_escape_sequence(run):
    path, _ = run
    assert "\x1b" not in on_a_terminal("prepare", path, TERM="dumb")


@pytest.mark.parametrize(
    "words",
    [
        ["prepare"],
        ["findings", "--limit", "5"],
        ["explain", "near-duplicate"],
        ["explain"],
        ["peek"],
        ["findings", "--rule", "no-such-rule-and-a-name-that-is-as-long-as-half-of-the-line"],
    ],
    ids=" ".join,
)
def test_a_line_begins_at_the_margin_only_where_a_new_thing_begins(words, run):
    path, _ = run
    verb, *rest = words
    given = {"prepare": [path.name], "findings": [path.name], "peek": ["in.csv"]}.get(verb, [])
    shown = on_a_terminal(verb, *given, *rest, cwd=path.parent, TERM="dumb").splitlines()
    begins = r"tuneset \d|[0-9a-f]{8}  [a-z-]+  |error  |[a-z0-9-]+ {2,}[A-Z]|[a-z0-9-]{23} [A-Z]|Said by the check"
    assert [line for line in shown if line and not line.startswith("  ") and not re.match(begins, line)] == []
    copied = ("tuneset ", "Report")  # commands and paths stay in one piece
    assert [line for line in shown if len(line) > 80 and not line.strip().startswith(copied)] == []
    assert len(shown) > 2


def test_what_goes_on_in_a_new_line_goes_on_below_its_first_word(tmp_path):
    shown = on_a_terminal("peek", "a-path/" * 14 + "that is not there.csv", cwd=tmp_path, TERM="dumb").splitlines()
    where = [place for place, line in enumerate(shown) if line.startswith("  at   a-path/")]
    assert where == [1]
    assert shown[2].startswith(" " * 7)
    assert shown[2][7] != " "


def test_a_deleted_source_is_named_and_what_was_read_before_is_used(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    first = json.loads(command("prepare", "in.csv", "--json", cwd=tmp_path).stdout)
    (tmp_path / "in.csv").unlink()
    sentence = "in.csv is gone; what was read before is used"
    words = command("prepare", "in-tuneset", cwd=tmp_path).stdout.decode()
    assert sentence in words
    line = next(line for line in words.splitlines() if line.startswith("  get "))
    assert line.endswith("as read before")
    again = json.loads(command("prepare", "in-tuneset", "--json", cwd=tmp_path).stdout)
    assert again["said"] == [first["said"][0], sentence, *first["said"][1:]]
    assert again["balance"] == first["balance"]
    assert sentence in (tmp_path / "in-tuneset/report.html").read_text()


def test_a_run_whose_recipe_was_deleted_says_how_to_go_on_and_the_way_is_true(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    first = json.loads(command("prepare", "in.csv", "--out", "out", "--json", cwd=tmp_path).stdout)
    (tmp_path / "out/recipe.toml").unlink()
    (tmp_path / "out/report.html").unlink()
    said = command("prepare", "out", cwd=tmp_path).stderr.decode()
    assert "at   out/recipe.toml" in said
    assert "try  tuneset prepare INPUT --out out" in said
    again = json.loads(command("prepare", "in.csv", "--out", "out", "--json", cwd=tmp_path).stdout)
    assert again["sides"] == first["sides"]
    assert (tmp_path / "out/report.html").exists()


def test_a_misspelt_step_is_named_with_the_file_and_its_nearest_match(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    assert command("init", "in.csv", "--out", "mine.toml", cwd=tmp_path).returncode == 0
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"near-duplicate"', '"near-duplicat"'))
    said = command("prepare", "mine.toml", cwd=tmp_path).stderr.decode().splitlines()
    assert said[0] == "error  unknown step 'near-duplicat'"
    assert said[1] == "  at   mine.toml [dedupe] steps"
    assert said[2].startswith("  try  'near-duplicate'")


def test_explain_knows_the_rules_of_the_check_and_lists_them_apart():
    from tuneset.targets import RULES

    listed = command("explain").stdout.decode()
    steps, checks = listed.split("Said by the check of the finished files")
    assert "near-duplicate" in steps
    assert all(f"\n{rule} " in checks for rule in RULES)
    assert "OpenAI asks for an object" in command("explain", "blank-line").stdout.decode()


def test_words_in_brackets_are_words_and_not_markup(tmp_path):
    (tmp_path / "in.csv").write_text("text,label\nhello there,a\nhow are you,b\n")
    (tmp_path / "[bold].toml").write_text("[splt]\n")
    assert "at   [bold].toml" in command("prepare", "[bold].toml", cwd=tmp_path).stderr.decode()
    said = command("init", "in.csv", "--out", "[dim].toml", "--text", "text", "--label", "label", cwd=tmp_path)
    assert "tuneset prepare [dim].toml" in said.stdout.decode()


FAILING = """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Failing:
    rule = "failing"
    scope = "example"
    def __call__(self, examples):
        return 1 / 0
"""


def test_an_error_in_a_step_of_ones_own_is_not_called_a_bug_of_tuneset(tmp_path):
    shutil.copy(EXAMPLES / "customer_intent.csv", tmp_path / "in.csv")
    (tmp_path / "failing.py").write_text(FAILING)
    step = '[clean]\nsteps = ["failing"]\n[clean.failing]\nuse = "failing:Failing"\n'
    (tmp_path / "recipe.toml").write_text(f'{step}[[sources]]\npaths = ["in.csv"]\n')
    done = command("prepare", "recipe.toml", cwd=tmp_path)
    assert done.returncode == 70
    assert done.stderr.decode().splitlines()[-1] == f"This is an error in {tmp_path / 'failing.py'}."


def test_help_groups_the_commands():
    words = command("--help").stdout.decode()
    assert words.index("peek") < words.index("findings")
    assert command("--version").stdout.decode().startswith("tuneset ")


def test_no_summary_of_a_command_is_cut_or_broken_at_80_columns():
    shown = on_a_terminal("--help", TERM="dumb").splitlines()
    assert "..." not in "".join(line for line in shown if "[ARGS]" not in line)
    assert max(map(len, shown)) <= 80
    for name in ("peek", "init", "prepare", "findings", "decide", "explain"):
        (line,) = [line for line in shown if re.match(rf"  {name} +[A-Z]", line)]
        assert line.endswith(".")


def test_shell_completion_is_there():
    program = shutil.which("tuneset", path=Path(sys.executable).parent)
    assert program
    done = subprocess.run(
        [program], capture_output=True, env=os.environ | {"_TUNESET_COMPLETE": "bash_source"}, timeout=60, check=True
    )
    assert b"_tuneset_completion" in done.stdout


def test_asking_for_more_rows_than_there_are_to_choose_from_is_said(run):
    path, _ = run
    told = json.loads(command("select", path, "--rows", 9_999, "--json").stdout)
    assert told["rows"] == told["of"] < 9_999
    assert (
        told["words"] == f"There are only {told['of']:,} train rows to choose from, not 9,999: all of them are chosen."
    )
    assert "9,999" not in json.loads(command("select", path, "--rows", 5, "--json").stdout)["words"]
