"""Have a model write 2,000 rows, the whole way, while its server fails and the command is killed again and again.

A server on loopback speaks the protocol over real HTTP and gives what a large model once wrote (ten paraphrases each of
1,000 rows of BANKING77), with one request in five going wrong in eleven ways. `tuneset generate RUN --rows 2000` is
killed at 20 random moments, then left alone. Then: every row that was wanted is there or counted, what was spent by the
server's own count is within the cap, and what was paid twice is no more than was on its way at a kill or lost by a
fault. `--faults 0` shows what is paid twice without faults: nothing that was answered. Needs the shared data.
"""

from __future__ import annotations

import argparse
import importlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import rows

import tuneset

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
replay: Any = importlib.import_module("replay")

PRICE_IN, PRICE_OUT, CAP = 2.5, 10.0, 50.0


def command(run: Path, url: str, wanted: int) -> list[str]:
    asks = {"--rows": wanted, "--model": "writer", "--judge-model": "reader", "--url": url, "--key-env": ""}
    asks |= {"--price-in": PRICE_IN, "--price-out": PRICE_OUT, "--most-cost": CAP}
    asks |= {"--judge-price-in": PRICE_IN, "--judge-price-out": PRICE_OUT}
    told = [str(each) for pair in asks.items() for each in pair]
    return [sys.executable, "-m", "tuneset", "generate", str(run), *told, "--json"]


def killed(asks: list[str], kills: int, server: Any, seed: int) -> float:
    """Run a command to its end, killing it before that at so many moments; return the seconds of its last run."""
    draw = random.Random(seed)
    for _ in range(kills):
        running = subprocess.Popen(asks, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until, begun = draw.randrange(1, 60), len(server.requests)
        while running.poll() is None and len(server.requests) < begun + until:
            time.sleep(0.005)
        running.kill()
        running.wait()
    start = time.monotonic()
    done = subprocess.run(asks, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return time.monotonic() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=2000, help="that are wanted")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--faults", type=float, default=0.2, help="share of requests that go wrong")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    table = pl.read_csv(rows.DATA / "paraphrases" / "banking_dev_paraphrases.csv")
    real = table.select(text="Original Example", label=table.columns[-1]).unique("text", maintain_order=True)
    with tempfile.TemporaryDirectory() as temp:
        real.write_csv(source := Path(temp) / "real.csv")
        run = tuneset.prepare(source, text="text", label="label", out=Path(temp) / "run")
        server = replay.replaying(seed=given.seed, faults=replay.faults(given.faults), seconds=0.02, key="")
        seconds = killed(command(run.path, server.url, given.rows), given.kills, server, given.seed)
        show(tuneset.Dataset.open(run.path), server, given, seconds)
        server.shutdown()


def show(run: tuneset.Dataset, server: Any, given: argparse.Namespace, seconds: float) -> None:
    balance = run.summary["balance"]
    kept = run.examples().filter(pl.col("source") == "synthetic").height
    counted = run.findings("not-written").height
    spent = server.cost(PRICE_IN, PRICE_OUT)
    print(
        f"{given.rows:,} rows wanted, {given.faults:.0%} of the requests fail, {given.kills} kills; the last run took {seconds:.0f} s"
    )
    print(
        f"in {balance['in']:,} = kept {balance['kept']:,} + dropped {balance['dropped']:,} + merged {balance['merged']:,}"
    )
    print(f"synthetic rows kept {kept:,}; rows counted as not written {counted:,}")
    print(
        f"requests {len(server.requests):,}, of which paid {server.paid.total():,}, different ones {len(server.paid):,}"
    )
    print(f"answered and asked again {server.paid.total() - len(server.paid):,}; faults {dict(server.faulted)}")
    print(f"spent by the server's count {spent:.2f}, cap {CAP:.2f}")
    if balance["in"] != balance["kept"] + balance["dropped"] + balance["merged"] or spent > CAP:
        sys.exit("rows were lost, or too much was spent")


if __name__ == "__main__":
    main()
