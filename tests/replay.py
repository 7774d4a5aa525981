"""A server that answers `tuneset generate` with what a large model once wrote: python tests/replay.py --port 8123 --faults .2."""

import argparse
import json
import os
import re
import threading
import time
from collections import Counter
from functools import cached_property
from pathlib import Path

import polars as pl
from ask_server import Server, serving

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROWS = {
    "type": "object",
    "properties": {
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"text": {"type": "string"}},
                "required": ["text"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["rows"],
    "additionalProperties": False,
}
JUDGES = "numbered list of labels"
# Each has an equal part of --faults. What comes as 200: cut streams, broken JSON, wrong schema, no JSON at all, slow ones.
FAULTS = ("429", "429-ms", "500", "503", "503-seconds", "cut", "reset", "broken", "wrong", "prose", "slow")


def faults(share, names=FAULTS):
    return dict.fromkeys(names, share / len(names))


def folded(text):
    return " ".join(text.lower().split())


class Replay:
    """Real paraphrases (ChatGPT, 2023) of 1,000 real inquiries, given out in turn; and a teacher that labels texts.

    Seeds are lines of the user's part that are {"text": ...} and nothing else. The teacher is a linear model of the
    9,003 other inquiries of the training side of BANKING77: it is right on .91 of the test side.
    """

    def __init__(self, data=DATA):
        self.data, self.lock, self.given = data, threading.Lock(), Counter()
        table = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv")
        self.written, self.label_of = {}, {}
        for _, seed, text, label in table.iter_rows():
            self.written.setdefault(folded(seed), []).append(text)
            self.label_of[folded(seed)] = label
        train = pl.read_csv(data / "banking77" / "train.csv")
        self.others = [(text, label) for text, label in train.iter_rows() if folded(text) not in self.written]
        self.labels = dict(self.others[::-1]) | {seed: self.label_of[seed] for seed in self.written}

    def __call__(self, request):
        system = "\n".join(each["content"] for each in request["messages"] if each["role"] == "system")
        user = next(each["content"] for each in request["messages"] if each["role"] == "user")
        if '"rows"' not in system and re.search(r'"(keeps|text)":', system):  # the forms that our prompts show
            return self.spoken(system)
        return self.judged(system, user) if JUDGES in system else self.rows(user)

    def rows(self, user):
        """Write as many rows as asked for, in turn of each seed, and of its paraphrases those that are next."""
        seeds = [each["text"] for each in objects(user) if each.keys() == {"text"}]
        number = re.search(r"\bWrite (\d+)", user)
        count = int(number[1]) if number else 5
        sources = [self.source(each) for each in seeds] or list(self.written)[:1]
        return {"rows": [{"text": self.following(sources[each % len(sources)])} for each in range(count)]}

    def following(self, source):
        with self.lock:
            place, self.given[source] = self.given[source], self.given[source] + 1
        return self.written[source][place % len(self.written[source])]

    def source(self, seed):
        """Return the inquiry whose paraphrases are taken: the seed itself, or the nearest one of its label."""
        if (known := folded(seed)) in self.written:
            return known
        label = self.labels.get(seed)
        near = [each for each in self.written if label in (None, self.label_of[each])]
        likeness = self.features.transform(near) @ self.features.transform([seed]).T
        return near[int(likeness.toarray().ravel().argmax())]

    def judged(self, system, user):
        """Label each text with one of the labels that the system's part lists, by its number there; 0 where it knows none."""
        lines = r"""^\s*(?:\{"number": )?(\d+)[.):,]\s*(.+)$"""
        listed = re.findall(lines, system.partition(JUDGES)[2], re.MULTILINE)
        numbers = {name: int(number) for number, line in listed if (name := self.named(line))}
        texts = [each for each in objects(user) if {"number", "text"} <= each.keys()]
        labels = self.best([each["text"] for each in texts], [*numbers]) if numbers and texts else [""] * len(texts)
        pairs = zip(texts, labels, strict=True)
        read = [(each["number"], numbers.get(label, 0), bool(label)) for each, label in pairs]
        return {"rows": [{"number": number, "label": label, "sure": sure} for number, label, sure in read]}

    def named(self, line):
        """Find the label that a line of the list is about: the first known word of it."""
        words = re.findall(r"[\w?]+", line)
        return next((each for each in words if each in self.known), None)

    def spoken(self, system):
        """Answer a turn of a conversation, or check one."""
        checks = '"keeps"' in system
        return {"keeps": True, "style": True, "sure": True} if checks else {"text": "Thank you, we look into it."}

    def best(self, texts, names):
        """Return of each text the likeliest label, of those named."""
        kinds = list(self.teacher.classes_)
        scores = self.teacher.decision_function(self.features.transform(texts))
        some = scores[:, [kinds.index(name) for name in names]]
        return [names[place] for place in some.argmax(axis=1)]

    @cached_property
    def known(self):
        return set(self.label_of.values())

    @cached_property
    def features(self):
        return self.fitted[0]

    @cached_property
    def teacher(self):
        return self.fitted[1]

    @cached_property
    def fitted(self):
        """Fit the teacher; it takes 10 s, and is not done where nothing is judged."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union
        from sklearn.svm import LinearSVC

        with self.lock:
            if "fitted" in vars(self):  # another request was first
                return vars(self)["fitted"]
            letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
            features = make_union(letters, TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True))
            texts, labels = zip(*self.others, strict=True)
            model = LinearSVC(C=0.3, random_state=0).fit(features.fit_transform(texts), labels)
            vars(self)["fitted"] = features, model
            return features, model


def objects(text):
    """Read the lines of a text that are JSON objects."""
    found = []
    for line in text.splitlines():
        if line.strip().startswith("{"):
            try:
                read = json.loads(line)
            except ValueError:
                continue
            found += [read] if isinstance(read, dict) else []
    return found


def wanted(count, rows=5, seeds=4, data=DATA):
    """Return requests such as `tuneset generate` sends: each for some rows of one label, with seeds of it."""
    from tuneset.ask import Request

    by_label = {}
    for seed, label in Replay(data).label_of.items():
        by_label.setdefault(label, []).append(seed)
    system = {"role": "system", "content": "You write what customers of a bank write."}
    labels, requests = sorted(by_label), []
    for each in range(count):
        label, turn = labels[each % len(labels)], each // len(labels)
        shown = [by_label[label][(turn + place) % len(by_label[label])] for place in range(seeds)]
        lines = "\n".join(json.dumps({"text": seed}) for seed in shown)
        user = {"role": "user", "content": f"Write {rows} rows of {label}, number {each}, such as:\n{lines}"}
        requests.append(Request([system, user], ROWS, 512))
    return requests


def replaying(data=DATA, **about):
    return serving(answer=Replay(data), **about)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=8123)
    options.add_argument("--faults", type=float, default=0.0, help="share of requests that go wrong")
    options.add_argument("--only", nargs="*", default=FAULTS, choices=FAULTS, help="in these ways")
    options.add_argument("--ignores", action="store_true", help="disregard json_schema always, and say nothing")
    options.add_argument("--rate", type=float, default=0.0, help="requests a second (0: any number)")
    options.add_argument("--seconds", type=float, default=0.0, help="that an answer takes")
    options.add_argument("--batch-seconds", type=float, default=2.0, help="that a batch takes")
    options.add_argument("--key", default="", help="the only key that is let in (none: any)")
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    about = {"rate": asked.rate, "burst": max(asked.rate / 10, 1), "seconds": asked.seconds, "key": asked.key}
    knows = {"json_object"} if asked.ignores else {"json_schema", "json_object"}
    server = serving(
        answer=Replay(),
        port=asked.port,
        seed=asked.seed,
        faults=faults(asked.faults, asked.only),
        knows=knows,
        batch_seconds=asked.batch_seconds,
        **about,
    )
    print(f"{server.url}  (Ctrl-C ends it and says what was asked and charged)", flush=True)  # noqa: T201
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        print(told(server))  # noqa: T201


def told(server: Server):
    tokens = f"{server.prompt:,.0f} tokens of prompts, {server.completion:,.0f} of answers (batches: half of each)"
    return f"{len(server.requests):,} requests, {server.paid.total():,} charged: {tokens}; {dict(server.faulted)}"


if __name__ == "__main__":
    main()
