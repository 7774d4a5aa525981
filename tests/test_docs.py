"""Every block of code in README.md and the docs runs, every link leads somewhere, every generated page is fresh."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [*DOCS, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("changes/*.md")), *sorted(ROOT.glob("examples/*.md"))]

# What a fence may say: the first three run here, pycon runs as the doctest of the docstring that it comes from.
RUN = {"python", "bash", "console"}
LANGUAGES = RUN | {"pycon", "text", "json", "toml", "csv"}
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


class Block(NamedTuple):
    """A fenced block, with what the HTML comment in front of it says: `not run: REASON` or `exits 2`."""

    line: int
    language: str
    code: str
    remark: str


def blocks(path):
    text = path.read_text(encoding="utf-8")
    pattern = r"(?:^<!-- (?P<remark>.+?) -->\n+)?^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    for found in re.finditer(pattern, text, flags=re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(line, found["language"], found["code"], found["remark"] or "")


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_the_blocks_of_a_page_run_from_top_to_bottom(path, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(ROOT / "examples", tmp_path / "examples"))
    variables = {"__name__": "__main__"}
    for block in blocks(path):
        where = f"{name(path)}:{block.line}"
        if block.remark.startswith("not run: ") or block.language not in RUN:
            continue
        if block.language == "python":
            run_python(block.code, variables, where)
        else:
            run_shell(block, where)


def run_python(code, variables, where):
    if ">>> " in code:
        test = doctest.DocTestParser().get_doctest(code, variables, where, where, 0)
        assert doctest.DocTestRunner().run(test, clear_globs=False).failed == 0, where
        variables.update(test.globs)
    else:
        exec(compile(code, where, "exec"), variables)


def run_shell(block, where):
    """Run a block's commands; what stands below a `$ ` line is what it must print, with ... for what may differ."""
    exits = int(re.fullmatch(r"exits (\d+)", block.remark)[1]) if block.remark else 0
    for command, expected in commands(block.code):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == exits, f"{where}: {command}\n{done.stdout}"
        same = doctest.OutputChecker().check_output(
            expected, done.stdout, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        )
        assert not expected or same, f"{where}: {command}\n{done.stdout}"


def commands(code):
    """Split a block into commands and what each prints: `$ ` starts a command; without any, the block is one script."""
    if not re.search(r"^\$ ", code, flags=re.MULTILINE):
        return [(code, "")]
    pattern = r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)"
    return [(each["command"], each["output"].strip("\n")) for each in re.finditer(pattern, code, flags=re.MULTILINE)]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_each_fence_has_a_language_and_each_remark_a_meaning(path):
    for block in blocks(path):
        assert block.language in LANGUAGES, f"{name(path)}:{block.line}"
        assert re.fullmatch(r"not run: \w.*|exits \d+|", block.remark), f"{name(path)}:{block.line}"
    fences = re.findall(r"^```", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks(path)))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_each_link_leads_to_a_page_and_a_heading_that_are_there(path):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        page, _, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", target):
            goal = path.parent / page if page else path
            assert goal.exists(), f"{name(path)}: {target}"
            assert not anchor or anchor in anchors(goal), f"{name(path)}: {target}"


def anchors(path):
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


def test_each_page_of_the_docs_is_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in DOCS[1:] if path.name != "index.md"]
    assert [page for page in pages if f"({page})" not in index] == []


def test_the_pages_made_from_docstrings_and_help_are_fresh():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_first_two_commands_of_the_readme_are_the_demo_and_the_tests():
    shown = [line.removeprefix("$ ") for block in blocks(DOCS[0]) for line in block.code.splitlines() if line.strip()]
    assert [line.split("#")[0].strip() for line in shown[:2]] == ["make demo", "make test"]
