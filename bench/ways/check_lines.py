"""Check a file of chat lines, or only parse them: `python check_lines.py tuneset|orjson.loads FILE` says the seconds."""

import sys
from pathlib import Path
from time import perf_counter

import orjson


def main(name: str, file: str) -> None:
    """Read the file line by line, in the way that is named."""
    from tuneset.targets import TARGETS, check

    start = perf_counter()
    if name == "tuneset":
        check(Path(file), TARGETS["openai"])
    else:
        with Path(file).open("rb") as lines:
            for line in lines:
                orjson.loads(line)
    print(perf_counter() - start)


main(*sys.argv[1:])
