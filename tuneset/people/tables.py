"""The tables in which a project of people is kept: the same on SQLite and on PostgreSQL.

Times are milliseconds since 1970, JSON is text (the same bytes in both databases), ids are text that sorts by time.
What one project owns names its project, and foreign keys hold the two together: an item, a lease or an answer cannot
point into another project, whatever a request says.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem  # noqa: TC002

META = sa.MetaData()
ROLES = ("owner", "lead", "annotator", "writer", "viewer")
KINDS = ("write", "label", "review")
LIVE = ("active", "late")  # annotations that stand: no item goes twice to a person who has one


def _text(name: str, *more: sa.ForeignKey, key: bool = False, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *more, primary_key=key, nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _count(name: str, default: int = 0) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, default=default)


def _yes(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, default=False)


def _number(name: str, *, null: bool = True) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=null)


def _one_of(name: str, *words: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(sa.column(name).in_(words))


def _share(name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(sa.column(name).between(0, 1))


def _project(*, key: bool = False) -> sa.Column[str]:
    return _text("project_id", sa.ForeignKey("project.id"), key=key)


def _of_member() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["project_id", "contributor_id"], ["member.project_id", "member.contributor_id"])


def _of_item() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["project_id", "item_id"], ["item.project_id", "item.id"])


def _table(name: str, *parts: SchemaItem) -> sa.Table:
    return sa.Table(name, META, *parts)


form = _table("form", sa.Column("number", sa.Integer, primary_key=True, autoincrement=False))

project = _table(
    "project",
    _text("id", key=True),
    _time("created_at"),
    _text("name"),
    _text("kind"),
    _text("state"),
    _count("overlap", 1),
    _count("lease_seconds", 600),
    _number("gold_share", null=False),
    _number("audit_share", null=False),
    _number("blind_share", null=False),
    _text("suggestion_mode"),
    _text("teaching"),
    _text("split_salt"),
    _count("schema_version"),  # the newest of each; 0: none yet
    _count("guideline_version"),
    _count("consent_version"),
    _one_of("kind", *KINDS),
    _one_of("state", "open", "paused", "closed"),
    _one_of("suggestion_mode", "on", "off"),
    _one_of("teaching", "on", "off"),
    sa.CheckConstraint("overlap >= 1"),
    sa.CheckConstraint("lease_seconds >= 1"),
    *(_share(name) for name in ("gold_share", "audit_share", "blind_share")),
)

label_schema = _table(
    "label_schema",
    _project(key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _time("created_at"),
    _text("body"),
    _count("guideline_version"),
)

guideline = _table(
    "guideline",
    _project(key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _time("created_at"),
    _text("markdown"),
    _text("published_by", null=True),
)

consent_text = _table(
    "consent_text",
    _project(key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _time("created_at"),
    _text("markdown"),
    _text("licence"),
    _text("retention"),
    _text("published_by", null=True),
)

contributor = _table(
    "contributor",
    _text("id", key=True),
    _time("created_at"),
    _text("display_name", null=True),  # null once the person has withdrawn everywhere
    _text("locale"),
)

invite = _table(
    "invite",
    _text("id", key=True),
    _time("created_at"),
    _project(),
    _text("token_hash"),
    _text("role"),
    _count("max_uses", 1),
    _count("uses"),
    _time("expires_at"),
    _time("revoked_at", null=True),
    _text("quota_cell", null=True),
    _text("contributor_id", sa.ForeignKey("contributor.id"), null=True),  # a way back in for one who is known
    _text("created_by", null=True),
    _one_of("role", *ROLES),
    sa.CheckConstraint("uses <= max_uses"),
    sa.UniqueConstraint("token_hash"),
)

member = _table(
    "member",
    _project(key=True),
    _text("contributor_id", sa.ForeignKey("contributor.id"), key=True),
    _time("created_at"),
    _text("role"),
    _text("state"),
    _text("invite_id", sa.ForeignKey("invite.id"), null=True),
    _text("quota_cell", null=True),
    _count("turns"),  # answers, skips and flags so far: which draw is next
    _one_of("role", *ROLES),
    _one_of("state", "active", "removed", "withdrawn"),
    sa.Index("member_contributor", "contributor_id"),
)

session = _table(
    "session",
    _text("id_hash", key=True),
    _text("contributor_id", sa.ForeignKey("contributor.id")),
    _time("created_at"),
    _time("expires_at"),
    _time("last_seen"),
    _time("revoked_at", null=True),
    _text("ua_hash"),
    sa.Index("session_contributor", "contributor_id"),
)

api_token = _table(
    "api_token",
    _text("id", key=True),
    _project(),
    _text("contributor_id"),
    _time("created_at"),
    _text("name"),
    _text("hash"),
    _text("scopes"),
    _time("expires_at", null=True),
    _time("last_used", null=True),
    _time("revoked_at", null=True),
    _of_member(),
    sa.UniqueConstraint("hash"),
)

consent = _table(
    "consent",
    _project(key=True),
    _text("contributor_id", key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _time("given_at"),
    _time("withdrawn_at", null=True),
    _of_member(),
    sa.ForeignKeyConstraint(["project_id", "version"], ["consent_text.project_id", "consent_text.version"]),
)

attribute_def = _table(
    "attribute_def",
    _project(key=True),
    _text("key", key=True),
    _time("created_at"),
    _text("asks"),
    _text("options"),
)

contributor_attribute = _table(
    "contributor_attribute",
    _project(key=True),
    _text("contributor_id", key=True),
    _text("key", key=True),
    _text("value"),
    _of_member(),
    sa.ForeignKeyConstraint(["project_id", "key"], ["attribute_def.project_id", "attribute_def.key"]),
)

target = _table(
    "target",
    _project(key=True),
    _text("about", key=True),
    _text("name", key=True),  # of an attribute of people, or of a column of examples
    _time("created_at"),
    _text("shares"),
    _count("size"),  # people in the end, cut into quotas; 0: no quotas
    _one_of("about", "people", "examples"),
)

item = _table(
    "item",
    _text("id", key=True),
    _project(),
    _time("created_at"),
    _text("example_id"),
    _text("source"),
    _text("parent_id", sa.ForeignKey("item.id"), null=True),  # of a duplicate: the item that is served
    _text("author_id", null=True),  # of what a person wrote here
    _text("text", null=True),  # null in a tombstone
    _text("payload", null=True),  # the whole Example
    _text("content_hash", null=True),
    _text("origin"),
    _text("state"),
    _one_of("origin", "imported", "written", "live"),
    _one_of("state", "open", "duplicate", "dropped", "withdrawn"),
    sa.UniqueConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "example_id"),
    sa.ForeignKeyConstraint(["project_id", "author_id"], ["member.project_id", "member.contributor_id"]),
    sa.Index("item_parent", "parent_id"),
    sa.Index("item_author", "project_id", "author_id"),
)
sa.Index(
    "item_content",
    item.c.project_id,
    item.c.content_hash,
    unique=True,
    sqlite_where=item.c.state == "open",
    postgresql_where=item.c.state == "open",
)

item_state = _table(
    "item_state",
    _text("item_id", key=True),
    _project(),
    _count("n_valid"),  # active annotations
    _count("n_flag"),  # flags that nobody has settled
    _count("need"),  # annotations still wanted
    _count("queue"),  # where next_item looks; see work.py
    _number("rank", null=False),  # minus the priority: the lowest is served first
    _number("draw", null=False),  # a hash in [0, 1), for ever the same: the audit slice and every random order
    _yes("audit"),
    _yes("gold"),
    _text("posterior", null=True),
    _text("decided_label", null=True),
    _text("decided_by", null=True),
    _one_of("decided_by", "consensus", "adjudicator"),
    sa.CheckConstraint("n_valid >= 0 and n_flag >= 0 and need >= 0"),
    _of_item(),
    sa.Index("item_state_queue", "project_id", "queue", "rank", "draw"),
)

suggestion = _table(
    "suggestion",
    _project(),
    _text("item_id", key=True),
    _text("model_version", sa.ForeignKey("model_version.id"), key=True),
    _text("label"),
    _number("score"),
    _number("entropy"),
    _of_item(),
)

lease = _table(
    "lease",
    _project(),
    _text("item_id", key=True),
    _text("contributor_id", key=True),
    _text("token"),  # no credential (it opens nothing without the session of its person), so it can be shown again
    _text("purpose"),
    _time("leased_at"),
    _time("expires_at"),
    _count("schema_version"),  # what the person sees
    _count("guideline_version"),
    _text("shown_suggestion", null=True),
    _one_of("purpose", "label", "audit", "gold", "again", "late"),
    _of_item(),
    _of_member(),
    sa.Index("lease_contributor", "project_id", "contributor_id"),
)

draft = _table(
    "draft",
    _project(),
    _text("item_id", key=True),
    _text("contributor_id", key=True),
    _text("value"),
    _time("saved_at"),
    _of_item(),
    _of_member(),
)

annotation = _table(
    "annotation",
    _text("id", key=True),
    _project(),
    _text("item_id"),
    _text("contributor_id"),
    _time("created_at"),
    sa.Column("seq", sa.BigInteger, nullable=False),  # of its event: the order of acts
    _text("value", null=True),  # null in a tombstone
    _count("schema_version"),
    _count("guideline_version"),
    _text("shown_suggestion", null=True),
    _yes("was_audit"),
    _yes("was_gold"),
    _number("seconds"),
    _text("revision_of", sa.ForeignKey("annotation.id"), null=True),
    _text("state"),
    _text("token_hash"),
    _one_of("state", "active", "superseded", "withdrawn", "late"),
    _of_item(),
    _of_member(),
    sa.UniqueConstraint("project_id", "contributor_id", "token_hash"),
    sa.Index("annotation_item", "item_id", "contributor_id", "state", "seq"),
    sa.Index("annotation_acts", "project_id", "contributor_id", "seq", "state"),
)
sa.Index(
    "annotation_one",
    annotation.c.item_id,
    annotation.c.contributor_id,
    unique=True,
    sqlite_where=annotation.c.state == "active",
    postgresql_where=annotation.c.state == "active",
)

flag = _table(
    "flag",
    _project(),
    _text("item_id", key=True),
    _text("contributor_id", key=True),
    _time("created_at"),
    sa.Column("seq", sa.BigInteger, nullable=False),
    _text("reason"),
    _text("note"),
    _text("resolved_by", null=True),
    _text("resolution", null=True),
    _of_item(),
    _of_member(),
    sa.Index("flag_acts", "project_id", "contributor_id", "seq"),
)

skip = _table(
    "skip",
    _project(),
    _text("item_id", key=True),
    _text("contributor_id", key=True),
    _time("created_at"),
    sa.Column("seq", sa.BigInteger, nullable=False),
    _text("reason"),
    _of_item(),
    _of_member(),
    sa.Index("skip_acts", "project_id", "contributor_id", "seq"),
)

adjudication = _table(
    "adjudication",
    _text("id", key=True),
    _project(),
    _text("item_id"),
    _time("created_at"),
    _text("decided_by", null=True),
    _text("value"),
    _text("rationale"),
    _text("seen_annotations"),
    _of_item(),
    sa.Index("adjudication_item", "item_id"),
)

gold = _table("gold", _project(), _text("item_id", key=True), _text("value"), _text("explanation"), _of_item())

event = _table(
    "event",
    _project(key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    _text("actor", null=True),  # null: the command line
    _text("kind"),
    _text("subject"),
    _text("before", null=True),  # null, with after and salt: forgotten because its person withdrew
    _text("after", null=True),
    _text("salt", null=True),
    _text("body_hash"),
    _text("prev_hash"),
    _text("hash"),
    sa.Index("event_actor", "project_id", "actor", "kind"),
)

model_version = _table(
    "model_version",
    _text("id", key=True),
    _project(),
    sa.Column("number", sa.Integer, nullable=False),
    _time("created_at"),
    _text("kind"),
    _text("params"),
    sa.Column("trained_on_seq", sa.BigInteger, nullable=False),
    _text("metrics"),
    _text("state"),
    sa.Column("artefact", sa.LargeBinary, nullable=True),
    _one_of("state", "shadow", "live", "retired"),
    sa.UniqueConstraint("project_id", "number"),
)
sa.Index(
    "model_version_live",
    model_version.c.project_id,
    unique=True,
    sqlite_where=model_version.c.state == "live",
    postgresql_where=model_version.c.state == "live",
)

live_text = _table(
    "live_text",
    _project(key=True),
    sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),  # counts on, whatever was let go
    _time("created_at"),
    _text("text"),
)

trained = _table(
    "trained",
    _project(key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    _time("created_at"),
    _text("by", null=True),
    _text("body"),
)

drift_look = _table(
    "drift_look",
    _project(key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    _time("created_at"),
    _count("trained"),  # number in that table; 0: nobody has said that a model was trained
    sa.Column("seen", sa.BigInteger, nullable=False),  # live texts that had come
    _text("body"),
)

export = _table(
    "export",
    _text("id", key=True),
    _project(),
    _time("created_at"),
    sa.Column("n", sa.Integer, nullable=False),
    _text("parent", sa.ForeignKey("export.id"), null=True),
    _text("manifest"),
    _text("sha256"),
    sa.UniqueConstraint("project_id", "n"),
)

export_item = _table(
    "export_item",
    _project(),
    _text("export_id", sa.ForeignKey("export.id"), key=True),
    _text("item_id", key=True),
    _text("annotation_id", sa.ForeignKey("annotation.id"), null=True),  # null where many answers made one
    _text("op"),
    _text("group_key"),
    _text("side"),
    _text("content", null=True),  # JSON; null in a tombstone, and where its person took it back
    _text("content_hash"),  # what is left of it then, so that the chain of increments holds
    _one_of("op", "add", "correct", "tombstone"),
    _of_item(),
)

webhook = _table(
    "webhook",
    _text("id", key=True),
    _project(),
    _time("created_at"),
    _text("url"),
    _text("secret"),
    _text("events"),
    _text("state"),
    _one_of("state", "on", "off"),
)

webhook_delivery = _table(
    "webhook_delivery",
    _text("id", key=True),
    _text("webhook_id", sa.ForeignKey("webhook.id")),
    _time("created_at"),
    _text("body"),
    _text("status"),
    _text("said", null=True),  # the last answer: a status, or a word
    _count("tries"),
    _time("next_at", null=True),
    _one_of("status", "waiting", "delivered", "given up"),
    sa.Index("webhook_delivery_next", "status", "next_at"),
)
