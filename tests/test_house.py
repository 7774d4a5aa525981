"""The rules of the house: what ruff and mypy cannot see."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tuneset"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# A command's start is what a user waits for: polars takes 0.1 s, scikit-learn up to 3 s.
HEAVY = ["polars", "numpy", "pydantic", "jinja2", "rich", "sklearn", "pandas", "pyarrow", "ftfy", "datasets"]
BANNED = {"manager", "handler", "processor", "factory", "helper", "helpers", "util", "utils", "base"}


def name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_short_has_a_docstring_and_lies_at_most_two_levels_deep(path):
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 600
    assert len(path.relative_to(PACKAGE).parts) <= 2
    assert ast.get_docstring(TREES[path]) or not source.strip()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_catches_every_exception(path):
    handlers = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.ExceptHandler)]
    caught = [ast.unparse(node.type) if node.type else "everything" for node in handlers]
    assert [what for what in caught if re.search(r"\b(everything|Exception|BaseException)\b", what)] == []


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_name_says_manager_or_helper(path):
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = [path.stem, *(node.name for node in ast.walk(TREES[path]) if isinstance(node, kinds))]
    words = {each: set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", each).lower().split("_")) for each in names}
    assert [each for each in names if words[each] & BANNED] == []


def test_a_command_of_the_command_line_is_thin():
    for node in ast.walk(TREES[PACKAGE / "cli.py"]):
        if isinstance(node, ast.FunctionDef) and any(".command" in ast.unparse(each) for each in node.decorator_list):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert body[-1].end_lineno - body[0].lineno + 1 < 15, node.name


@pytest.mark.parametrize("code", ["import tuneset", "import tuneset.cli", "tuneset --help"])
def test_nothing_heavy_is_loaded_for(code):
    if code == "tuneset --help":
        code = "import click.testing, tuneset.cli as c; assert not click.testing.CliRunner().invoke(c.main, ['--help']).exit_code"
    code += f"; import sys; print(sorted(sys.modules.keys() & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_api_is_sorted_and_each_name_says_what_it_is():
    import tuneset

    assert list(tuneset.__all__) == sorted(tuneset.__all__)
    assert [each for each in tuneset.__all__ if not (getattr(tuneset, each).__doc__ or "").strip()] == []


def test_the_version_is_said_once():
    import tuneset

    assert tuneset.__version__ == PYPROJECT["project"]["version"] == distribution("tuneset").version


def test_the_docstring_of_errors_shows_the_tree_of_its_classes():
    from tuneset import errors

    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    drawn = {
        word: bool(branch) for branch, word in re.findall(r"^ {4}([├└]── )?(\w+Error) ", errors.__doc__, re.MULTILINE)
    }
    assert drawn == {each.__name__: each.__base__ is errors.TunesetError for each in classes}


def test_each_step_is_named_after_its_class_and_reached_through_its_entry_point():
    from tuneset import recipe, step

    ours = [each for stage in recipe.STAGES_WITH_STEPS for each in recipe.default_steps(stage)]
    entries = {
        entry.name: entry.value for entry in entry_points(group="tuneset.steps") if entry.value.startswith("tuneset.")
    }
    assert sorted(ours) == sorted(entries)
    for rule in ours:
        assert step.rule_of(recipe.steps()[rule].__name__) == rule == recipe.steps()[rule].rule


def test_each_rule_and_each_command_has_its_place_in_the_docs():
    from tuneset import recipe
    from tuneset.cli import main

    assert {page["rule"] for page in recipe.explain()} <= headings("steps.md")
    assert {each for each, command in main.commands.items() if not command.hidden} <= headings("commands.md")


def headings(page):
    return set(re.findall(r"^#+ (.+)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_make_alone_lists_every_target():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    assert re.findall(r"^make ([\w-]+) +\w", listed, flags=re.MULTILINE) == targets.split()


@pytest.mark.parametrize(("file", "groups"), [("run", ["build"]), ("dev", ["build", "dev"])])
def test_a_lock_file_pins_what_pyproject_asks_for_and_nothing_else(file, groups):
    asked = [PYPROJECT["project"]["dependencies"], *(PYPROJECT["dependency-groups"][group] for group in groups)]
    requirements = [each for part in asked for each in part if isinstance(each, str)]
    assert locked(file) == needed(requirements, locked(file))


def test_the_lock_files_agree_and_name_no_index():
    assert locked("run").items() <= locked("dev").items()
    for file in ("run", "dev"):
        text = (ROOT / "lock" / f"{file}.txt").read_text(encoding="utf-8")
        assert "://" not in text
        assert text.count("--hash=sha256:") > len(locked(file))


def locked(file):
    """Return the version of each package that a lock file pins for this Python and this machine."""
    lines = (ROOT / "lock" / f"{file}.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.removesuffix(" \\")) for line in lines if not line.startswith((" ", "#"))]
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in here}


def needed(requirements, versions):
    """Follow requirements through the installed packages, which must be those of the lock file."""
    found, queue = {}, [Requirement(each) for each in requirements]
    for each in queue:
        package = distribution(each.name)
        found[canonicalize_name(each.name)] = package.version
        assert each.specifier.contains(versions.get(canonicalize_name(each.name), ""), prereleases=True), (
            f"make lock: {each}"
        )
        for further in map(Requirement, package.requires or []):
            wanted = (
                any(further.marker.evaluate({"extra": extra}) for extra in each.extras | {""})
                if further.marker
                else True
            )
            if wanted and str(further) not in map(str, queue):
                queue.append(further)
    return found


def test_where_nothing_may_be_skipped_a_skip_is_a_failure(tmp_path):
    (tmp_path / "conftest.py").write_bytes((ROOT / "conftest.py").read_bytes())
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_a(): pytest.skip('no server')\n"
        "@pytest.mark.xfail\ndef test_b(): assert 0\n"
        "@pytest.mark.skip\ndef test_c(): pass\n"
        "def test_d(): pass\n",
    )
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.skip('no browser', allow_module_level=True)\n")
    assert closing(tmp_path, "0") == "1 passed, 3 skipped, 1 xfailed"
    assert closing(tmp_path, "1") == "2 failed, 1 passed, 2 errors"  # a mark skips before the test


def closing(folder, no_skips):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors", str(folder)]
    environment = os.environ | {"TUNESET_NO_SKIPS": no_skips}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return re.sub(r"=+ | in .*", "", done.stdout.splitlines()[-1])
