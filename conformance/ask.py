"""Hold our files, and our verdicts, against the checkers of platforms and trainers.

`ask.py cases FOLDER`: every checker says what it makes of every file, and where one refuses what `tuneset check` lets pass
for its target, that is a defect of ours. `ask.py exports FOLDER`: every FOLDER/SET/TARGET/train.jsonl (and validation.jsonl
and test.jsonl), as `tuneset export` writes them, must be accepted by every checker of its target, and no target may lack.
Either ends with 1 where that is not so or a checker could not be asked, and writes all that was said as JSON (--out). `ask.py ours FOLDER` makes the sets and exports first.
Some checkers are makers of what we compute as well (tokens, templates, descriptions): they accept where their answer is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from tuneset import prepare
from tuneset.targets import TARGETS, check

HERE = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")
ENVS = Path(tempfile.gettempdir()) / "conformance-envs"
SIDES = ("train", "validation", "test")
STRANGE = "strange"  # the set that is written by hand as chat, to be counted and rendered, and not exported
MINUTES = 10  # the longest that one checker may take over all files
# The minimum of rows is for the platform to ask: the cases have three rows, and no checker but Fireworks' counts them.
NOT_ASKED = {"too-few-rows"}


class Checker(NamedTuple):
    """One entry of checkers.toml."""

    name: str
    what: str
    script: str
    targets: tuple[str, ...]
    args: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    python: str = ""
    licence: str = ""
    ours: bool = False
    exports_only: bool = False
    known: tuple[tuple[str, str], ...] = ()  # what it says that is no fault, and of which files: patterns


class Verdict(NamedTuple):
    """What a checker says of one file; `known`: it says only what is known to be no fault."""

    ok: bool
    known: bool
    problems: list[dict[str, Any]]

    @property
    def mark(self) -> str:
        """Say it in one letter."""
        return "." if self.ok else "k" if self.known else "x"


class Silent(NamedTuple):
    """Which checkers gave no verdicts, and why: no index or no Python has them, or they ended with an error."""

    absent: dict[str, str]
    fallen: dict[str, str]


Verdicts = dict[str, dict[Path, Verdict]]  # by checker and file


def checkers(only: list[str], without: list[str]) -> list[Checker]:
    """Read checkers.toml; `only` and `without` name some of them."""
    tables = tomllib.loads((HERE / "checkers.toml").read_text(encoding="utf-8"))
    known = tables.pop("known", [])
    found = []
    for name, table in tables.items():
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        patterns = tuple((each["says"], each.get("file", "")) for each in known if name in each["checkers"])
        found.append(Checker(name=name, known=patterns, **values))
    if strange := {*only, *without} - {each.name for each in found}:
        raise SystemExit(f"no checker is named {', '.join(sorted(strange))}")
    return [each for each in found if (not only or each.name in only) and each.name not in without]


def environment(checker: Checker, envs: Path) -> Path:
    """Return the Python of a checker's environment, made where it is not there yet; what is alike is made once."""
    if not checker.requires and not checker.alone:
        return Path(sys.executable)
    folder = envs / (*checker.alone, *checker.requires)[0].replace("==", "-")
    python, made = folder / "bin" / "python", folder / "made"
    asked = json.dumps([checker.python, checker.requires, checker.alone])
    if made.exists() and made.read_text() == asked:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    version = checker.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    run(UV, "venv", "--quiet", "--python", version, folder)
    install = (UV, "pip", "install", "--quiet", "--python", python)
    run(*install, *checker.requires)
    if checker.alone:
        run(*install, "--no-deps", *checker.alone)
    made.write_text(asked)
    return python


def run(*command: str | Path, may_die: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command; raise what it says where it fails. With `may_die`, being killed by a signal is the caller's to judge."""
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=False, env=quiet)
    if ended.returncode > 0 or (ended.returncode and not may_die):
        last = ended.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        raise RuntimeError(f"{' '.join(map(str, command[:3]))} … ended with {ended.returncode}: {last[0]}")
    return ended


def ask(checker: Checker, files: list[Path], python: Path) -> dict[Path, Verdict]:
    """Run a checker on files and read its verdicts; a file that kills it is refused, and it is asked about the rest."""
    verdicts: dict[Path, Verdict] = {}
    left = files
    while left:
        ended = run(python, HERE / "checkers" / checker.script, *checker.args, *left, may_die=True)
        told = [json.loads(line) for line in ended.stdout.splitlines()]
        if len(told) < len(left):
            if not ended.returncode:
                raise RuntimeError(f"{checker.script} judged {len(told)} of {len(left)} files")
            says = f"the checker is killed by signal {-ended.returncode}"
            told.append({"ok": False, "problems": [{"line": None, "says": says}]})
        for file, one in zip(left, told, strict=False):
            patterns = [says for says, names in checker.known if re.search(names, file.name)]
            known = [each for each in one["problems"] if any(re.search(says, each["says"]) for says in patterns)]
            faults = [each for each in one["problems"] if each not in known]
            verdicts[file] = Verdict(one["ok"], bool(known) and not faults, faults + known)  # the first one is shown
        left = left[len(told) :]
    return verdicts


def ask_all(asked: list[tuple[Checker, list[Path]]], envs: Path) -> tuple[Verdicts, Silent]:
    """Ask checker after checker; also say why one could not be had, or fell over."""
    verdicts: Verdicts = {}
    silent = Silent({}, {})
    for checker, files in asked:
        print(f"  {checker.name}: {len(files)} files", file=sys.stderr, flush=True)
        why = silent.absent
        try:
            python = environment(checker, envs)
            why = silent.fallen
            verdicts[checker.name] = ask(checker, files, python)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            why[checker.name] = str(error)
    return verdicts, silent


def cases(folder: Path, found: list[Checker], envs: Path) -> dict[str, Any]:
    """Judge every file by every checker, and ourselves by the checkers of each target."""
    files = sorted(folder.glob("*.jsonl"))
    found = [each for each in found if not each.exports_only]
    verdicts, silent = ask_all([(checker, files) for checker in found], envs)
    judged = {target: {file: refused(file, target) for file in files} for target in sorted(aims(found))}
    defects = [
        {"target": target, "file": file.name, "checker": checker.name, **verdict.problems[0]}
        for checker in found
        for target in checker.targets
        for file, verdict in verdicts.get(checker.name, {}).items()
        if verdict.mark == "x" and not judged[target][file]
    ]
    stricter = [
        {"target": target, "file": file.name, "rules": rules}
        for target, ours in judged.items()
        for file, rules in ours.items()
        if rules and accepted_by_all(file, [verdicts.get(each.name, {}) for each in found if target in each.targets])
    ]
    print(grid([file.stem for file in files], {name: list(each.values()) for name, each in verdicts.items()}))
    say_differences(defects, stricter)
    ours = {target: {file.name: rules for file, rules in each.items()} for target, each in judged.items()}
    told = {
        "verdicts": plain(verdicts, folder),
        "ours": ours,
        "defects": defects,
        "stricter": stricter,
        "silent": silent._asdict(),
    }
    return told | {"well": not defects and not silent.fallen}


def refused(file: Path, target: str) -> list[str]:
    """Name the rules by which we refuse a file for a target."""
    found = check(file, TARGETS[target])
    return sorted(set(found.filter(found["severity"] == "error")["rule"]) - NOT_ASKED)


def accepted_by_all(file: Path, told: list[dict[Path, Verdict]]) -> bool:
    """Say whether those who were asked accept a file, and somebody was."""
    marks = [each[file].mark for each in told if each]
    return bool(marks) and "x" not in marks


def say_differences(defects: list[dict[str, Any]], stricter: list[dict[str, Any]]) -> None:
    """Print where we differ from the checkers; what only has another shape than the target's is counted, not named."""
    print(f"\n{len(defects)} refused by a checker and let pass by us")
    for each in defects:
        print(f"  {each['target']:<22}{each['file']:<28}{each['checker']}: {each['says'][:110]}")
    print(f"\n{len(stricter)} refused by us alone; of the good files in the shape of the target:")
    for each in stricter:
        if each["file"].startswith("good") and "no-messages" not in each["rules"]:
            print(f"  {each['target']:<22}{each['file']:<28}{', '.join(each['rules'])}")


def exports(folder: Path, found: list[Checker], envs: Path) -> dict[str, Any]:
    """Demand that every exported file is accepted by every checker of its target."""
    written = [file for side in SIDES for file in sorted(folder.glob(f"*/*/{side}.jsonl"))]
    files = [file for file in written if file.stat().st_size]
    of = {checker: [file for file in files if file.parent.name in checker.targets] for checker in found}
    verdicts, silent = ask_all([(checker, mine) for checker, mine in of.items() if mine], envs)
    wrong = [
        {"file": str(file.relative_to(folder)), "checker": name, **verdict.problems[0]}
        for name, each in verdicts.items()
        for file, verdict in each.items()
        if verdict.mark == "x"
    ]
    held = {file.parent for file in files}
    sets = [each for each in folder.iterdir() if each.is_dir() and each.name != STRANGE]
    wanted = {each / target for each in sets for target in aims(found)}
    told = {
        "verdicts": plain(verdicts, folder),
        "refused": wrong,
        "silent": silent._asdict(),
        "no_row": sorted({str(file.parent.relative_to(folder)) for file in written if file.parent not in held}),
        "missing": sorted(str(each.relative_to(folder)) for each in wanted if not each.is_dir()),
        "no_checker": sorted({file.parent.name for file in files} - aims(found)),
    }
    say_acceptance(verdicts, told)
    return told | {"well": not wrong and not told["missing"] and not silent.fallen}


def ours(folder: Path, found: list[Checker], envs: Path) -> dict[str, Any]:
    """Write the sets, prepare and export all but the strange one for every target, and demand that all is accepted."""
    sets, out = folder / "sets", folder / "exports"
    sets.mkdir(parents=True, exist_ok=True)
    strange = out / STRANGE / "chat" / "train.jsonl"
    run(sys.executable, HERE / "sets.py", sets, strange)
    if rules := refused(strange, "chat"):
        raise SystemExit(f"our own check refuses rows of {strange}, which would not be compared: {', '.join(rules)}")
    for source in sorted(sets.iterdir()):
        prepared = prepare(source, out=folder / "runs" / source.stem, validation=0.16)  # ten rows for OpenAI
        prepared.export(list(TARGETS), out=out / source.stem)
    return exports(out, found, envs)


def say_acceptance(verdicts: Verdicts, told: dict[str, Any]) -> None:
    """Print each checker's verdicts by target, the refusals, and what nobody judged."""
    for name, each in verdicts.items():
        by_target: dict[str, str] = {}
        for file, verdict in each.items():
            by_target[file.parent.name] = by_target.get(file.parent.name, "") + verdict.mark
        print(f"{name:<22}{', '.join(f'{target} {marks}' for target, marks in sorted(by_target.items()))}")
    marks = [verdict.mark for each in verdicts.values() for verdict in each.values()]
    print(
        f"\n{len(marks) - marks.count('x')} of {len(marks)} verdicts accept, {marks.count('k')} but for a known false alarm"
    )
    for one in told["refused"]:
        print(f"  {one['file']:<44}{one['checker']}, line {one['line']}: {one['says'][:160]}")
    print(f"not exported: {', '.join(told['missing']) or 'none'}")
    print(f"no row fits: {', '.join(told['no_row']) or 'none'}")
    print(f"no checker here: {', '.join(told['no_checker']) or 'none'}")


def aims(found: list[Checker]) -> set[str]:
    """Return the targets that some checker judges."""
    return {target for checker in found for target in checker.targets}


def grid(names: list[str], marks: dict[str, list[Verdict]]) -> str:
    """Draw files by checkers: a point for accepted, x for refused, k for a known false alarm."""
    wide = max(map(len, names), default=0) + 2
    heads = list(marks)
    lines = [" " * wide + "".join(f"{number:>3}" for number in range(1, len(heads) + 1))]
    for row, name in enumerate(names):
        lines.append(f"{name:<{wide}}" + "".join(f"{marks[head][row].mark:>3}" for head in heads))
    return "\n".join([*lines, "", *(f"{number:>3} {head}" for number, head in enumerate(heads, 1))])


def plain(verdicts: Verdicts, folder: Path) -> dict[str, Any]:
    """Make verdicts ready for JSON."""
    return {
        name: {
            str(file.relative_to(folder)): {"mark": verdict.mark, "problems": verdict.problems}
            for file, verdict in each.items()
        }
        for name, each in verdicts.items()
    }


def main() -> None:
    """Read the command line and end with 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["cases", "exports", "ours"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--envs", type=Path, default=ENVS, help=f"where environments are kept ({ENVS})")
    parser.add_argument("--only", action="append", default=[], metavar="CHECKER")
    parser.add_argument("--without", action="append", default=[], metavar="CHECKER")
    parser.add_argument(
        "--offered", action="store_true", help="pass where a checker cannot be had: no index, no Python for it"
    )
    parser.add_argument("--out", type=Path, help="where to write all that was said, as JSON")
    given = parser.parse_args()
    judge = {"cases": cases, "exports": exports, "ours": ours}[given.mode]
    told = judge(given.folder.resolve(), checkers(given.only, given.without), given.envs.resolve())
    absent, fallen = told["silent"]["absent"], told["silent"]["fallen"]
    for name, why in {**absent, **fallen}.items():
        print(f"{'not asked' if name in absent else 'fell over'}: {name}: {why}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    raise SystemExit(not (told["well"] and (given.offered or (told["verdicts"] and not absent))))


if __name__ == "__main__":
    main()
