"""A program that asks, to be killed: SERVER FOLDER REQUESTS MONEY [batch] [replay]."""

import signal
import sys
from pathlib import Path

from ask_server import SCHEMA

from tuneset.ask import Budget, Model, Request, ask_many, batched, service


def questions(count):
    system = {"role": "system", "content": "You write what customers of a bank write."}
    return [Request([system, {"role": "user", "content": f"Question {each}"}], SCHEMA, 64) for each in range(count)]


def model(url, **about):
    return Model(url, "small", "TUNESET_TEST_KEY", 1.0, 2.0)._replace(**about)


def say(progress):
    """Print what is waited for; batches give no answer before they are over."""
    if progress.says:
        sys.stdout.write(f"{progress.says}\n")
        sys.stdout.flush()


def quiet(_):
    pass


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell has started this behind itself
    url, folder, count, money, *ways = sys.argv[1:]
    service.POLL = 0.02
    way, requests = batched if "batch" in ways else ask_many, questions(int(count))
    if "replay" in ways:
        from replay import wanted

        requests = wanted(int(count))
    answers = way(
        requests, model(url), Path(folder), Budget(money=float(money)), say if "batch" in ways else quiet, most=8
    )
    for answer in answers:
        if not answer.known:
            sys.stdout.write(f"{answer.key} {answer.problem}\n")
            sys.stdout.flush()
