"""Send what webhooks are told: signed, again and again until it is taken, and to no address inside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa
from urllib3 import Timeout, exceptions

from tuneset import __version__
from tuneset.crawl.egress import Call, Refused
from tuneset.people import tables, webhooks
from tuneset.people.database import RefusedError

if TYPE_CHECKING:
    from typing import Any

    from tuneset.crawl.egress import Egress
    from tuneset.people.database import Database, Transaction

WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000)  # seconds between tries: two days in all
LONGEST = 3 * 86_400_000  # milliseconds after which a message that waited behind others is given up, too
KEPT = 30 * 86_400_000  # milliseconds that the list of messages goes back
TIMEOUT = 10.0  # seconds of one try
TURN = 20.0  # seconds after which the other jobs have their turn
AT_ONCE = 100  # messages of one turn
GONE = 410  # the receiver wants no more
_hook, _delivery = tables.webhook, tables.webhook_delivery
_PORTS = {"http": 80, "https": 443}
_DUE = (
    sa.select(_delivery, _hook.c.url, _hook.c.secret)
    .join(_hook, _hook.c.id == _delivery.c.webhook_id)
    .where(_delivery.c.status == "waiting", _delivery.c.next_at <= sa.bindparam("now"), _hook.c.state == "on")
    .order_by(_delivery.c.next_at, _delivery.c.id)
    .limit(AT_ONCE)
)


class Message(NamedTuple):
    """What is sent where, and the secret that signs it."""

    id: str
    url: str
    secret: str
    body: str


def deliver(db: Database, egress: Egress) -> int:
    """Send what is due, oldest first, and return how many messages were taken.

    A try is noted before it is made: a server that is killed in the middle makes it again, so that each message comes at
    least once, and its id tells the receiver that it came before. Of a receiver that fails, the other messages wait as
    long as the one that failed: one that is slow costs 10 seconds a turn.
    """
    with db.read() as tx:
        due = tx.all(_DUE, now=tx.at)
    if due:
        db.write(_forget)
    taken, failed, start = 0, set[str](), time.monotonic()
    for row in due:
        if time.monotonic() - start > TURN:
            break
        if row.webhook_id in failed or not db.write(partial(_claim, row=row)):
            continue
        said = send(Message(row.id, row.url, row.secret, row.body), db.now() // 1000, egress)
        good = said.isdecimal() and said.startswith("2")
        db.write(partial(_note, row=row, said=said, good=good))
        taken += good
        failed |= set() if good else {row.webhook_id}
    return taken


def check(url: str, egress: Egress) -> None:
    """Refuse an address that could not be told anything now, in the same words whatever is behind its name."""
    parts = urlsplit(webhooks.checked(url))
    try:
        egress.addresses(parts.hostname or "", parts.port or _PORTS[parts.scheme])
    except Refused as refused:
        what = "this address is not on the open internet, or not known there"
        raise RefusedError(
            what, url[:80], "one of yours inside is named with tuneset collect --own HOST:PORT"
        ) from refused


def sign(secret: str, name: str, at: int, body: str) -> str:
    """Sign a message as the Standard Webhooks specification says (v1: HMAC of id, time in seconds, and body).

    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    told = hmac.new(key, f"{name}.{at}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(told).decode()}"


def send(message: Message, at: int, egress: Egress) -> str:
    """Post a message at a time (seconds since 1970); return the status of the answer, or a word: refused-address, no-host, timeout, no-answer.

    No redirection is followed, nothing of the answer is read, and no proxy of the environment is asked.
    """
    parts = urlsplit(message.url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"tuneset/{__version__} (webhook)",
        "Connection": "close",
        "webhook-id": message.id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(message.secret, message.id, at, message.body),
    }
    call = Call(time.monotonic() + TIMEOUT)
    try:
        with egress.pool(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], call) as pool:
            answer = pool.urlopen(
                "POST",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                body=message.body.encode(),
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                timeout=Timeout(TIMEOUT),
            )
            answer.close()
            return str(answer.status)
    except Refused as refused:
        return refused.reason
    except (exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        late = call.late or isinstance(error, (exceptions.TimeoutError, TimeoutError))
        return "timeout" if late else "no-answer"
    finally:
        call.over()


def _claim(tx: Transaction, row: sa.Row[Any]) -> bool:
    """Note a try; False where another server has made it."""
    after = tx.at + WAITS[min(row.tries, len(WAITS) - 1)] * 1000
    mine = (_delivery.c.id == row.id, _delivery.c.status == "waiting", _delivery.c.tries == row.tries)
    return tx.run(_delivery.update().where(*mine).values(tries=row.tries + 1, next_at=after)).rowcount == 1


def _note(tx: Transaction, row: sa.Row[Any], said: str, *, good: bool) -> None:
    given_up = not good and (row.tries >= len(WAITS) or tx.at - row.created_at > LONGEST or said == str(GONE))
    found = {"said": said} | ({"next_at": None} if good or given_up else {})
    found |= {"status": "delivered" if good else "given up" if given_up else "waiting"}
    tx.run(_delivery.update().where(_delivery.c.id == row.id).values(found))
    if said == str(GONE):
        tx.run(_hook.update().where(_hook.c.id == row.webhook_id).values(state="off"))
    if not good:
        after = tx.at + WAITS[min(row.tries, len(WAITS) - 1)] * 1000
        behind = (_delivery.c.webhook_id == row.webhook_id, _delivery.c.status == "waiting")
        tx.run(_delivery.update().where(*behind, _delivery.c.next_at < after).values(next_at=after))


def _forget(tx: Transaction) -> None:
    old = (_delivery.c.status != "waiting", _delivery.c.created_at < tx.at - KEPT)
    tx.run(_delivery.delete().where(*old))
