"""The steps that find personal data and secrets, and mask or replace them where the recipe says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import polars as pl

from tuneset import model
from tuneset.personal.columns import Looked, Place, Search, Write, invented, look, placeholder, rewritten, suspects
from tuneset.personal.kinds import KINDS, NAMED, PERSONAL, SECRET, checked
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

Cases = tuple[list[str | Mapping[str, Any]], ...]
ACTIONS = ("flag", "mask", "replace")
NAMED_PLACES = 3  # places of one kind that a finding names
_COLUMNS = ("rule", "example", "action", "field", "before", "after", "says", "score")


@dataclass(frozen=True)
class PersonalData:
    """Find e-mail addresses, phone numbers, cards, bank accounts, national ids and IP addresses; mask or replace them.

    Why it hurts: a model can repeat what it was trained on, word for word, and a person's data cannot be taken back out
    of it.
    How: each kind has a shape and, where there is one, a check: Luhn for cards, mod 97 for IBANs, shapes
    and checks of 30 countries for national ids; phone numbers by their country code, by `region` ("GB"), or by the words beside them
    (`phonenumbers`, Google's metadata). A number that is called an order, a parcel or a version is not one. `action`:
    "flag" says what is there, "mask" writes [EMAIL], [PHONE] and so on, "replace" writes made-up values, the same one
    for the same person everywhere (keyed BLAKE2b of `seed` and the value), which nobody has: addresses at example.com
    with a check in their name, numbers that start with 000. Text, conversations (all turns, arguments of tool calls)
    and labels are looked at. `names = true` adds names and addresses (Presidio with a spaCy model, extra `pii`).
    Measured: F1 on 500 generated values of each kind among as many look-alikes, four seeds: e-mail, card, IBAN and IP
    1.00; phone numbers of 12 countries 1.00 with `region`, .98 to 1.00 without (the generator is ours too, so other
    writings do worse). On 375 sentences of presidio-research that were not read while tuning: e-mail, card, IBAN,
    IP and SSN 1.00, phone .97 (14 of 15). In 39,106 rows of BANKING77, CLINC150 and HWU64, which were read, it speaks
    on 46 texts, each with an e-mail address (bench/quality/personal.py).
    Limits: a number that is written in words, on a picture or with a mistake in its check is not found; a phone number
    without a region and without words beside it only where its form is plain; passports, driving licences and dates of
    birth not at all. Addresses kept for documentation (192.0.2.1) and 127.0.0.1 are nobody's.

    >>> from tuneset.testing import examples
    >>> rows = examples(["I am jane@shop.com, call 020 7946 0018"])
    >>> PersonalData()(rows)["says"].item()
    '1 e-mail address (characters 6-18), 1 phone number (characters 26-38)'
    >>> PersonalData(action="mask")(rows)["after"].item()
    'I am [EMAIL], call [PHONE]'
    """

    rule: ClassVar[str] = "personal-data"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (
        ["write to jane.doe@example.com"],
        ["my card 4111 1111 1111 1111 is lost"],
        ["pay to GB82 WEST 1234 5698 7654 32"],
        ["call me on +44 20 7946 0018"],
        [{"messages": '[{"role":"user","content":"I am jane\\u0040shop.com"},{"role":"assistant","content":"ok"}]'}],
    )
    silent: ClassVar[Cases] = (
        ["where is order 4111111111111111?"],
        ["since version 1.2.3.4 it is slow, also on 127.0.0.1"],
        ["it cost 1 200 000 on 2024-05-14 at 10:15:00"],
        ["@jane look at logo@2x.png"],
    )

    action: str = "flag"
    kinds: tuple[str, ...] = tuple(PERSONAL)
    region: str = ""
    names: bool = False
    model: str = "en_core_web_sm"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an action, a kind or a region that there is not."""
        _check_action(self.action)
        checked(self.kinds, PERSONAL)
        if self.region:
            from tuneset.personal.phones import regions  # noqa: PLC0415  phonenumbers takes 50 ms

            if self.region not in regions():
                raise ValueError(f"no such region: {self.region!r} (two capital letters, such as 'GB')")

    def search(self) -> Search:
        """Return what is looked for."""
        if not self.names:
            return Search(self.kinds, self.region)
        from tuneset.personal.names import finder  # noqa: PLC0415  Presidio takes seconds

        return Search((*self.kinds, *NAMED), self.region, finder(self.model))

    @property
    def hides(self) -> bool:
        """Say whether values are to be in no file of the run."""
        return self.action != "flag"

    def hide(self, values: pl.Series) -> pl.Series:
        """Mask or replace in a whole column."""
        return rewritten(values, _write(self.action, self.seed), self.search())

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples hold personal data, of which kinds and where."""
        return _said(self.rule, examples, self.search(), self.action, self.seed)


@dataclass(frozen=True)
class Secret:
    """Find keys, tokens, passwords and URLs that open a door; mask or replace them.

    Why it hurts: a key in a published set is a key that anybody can use, and models repeat them.
    How: the shapes that some 60 services give their keys (GitHub, AWS, OpenAI, Stripe, ...), private key blocks, JSON
    web tokens; a random-looking value that is called a key, token or secret; a word with digits or signs that is
    called a password; in URLs the values of parameters such as `access_token` or `X-Amz-Signature` and the password
    before the host: only the value goes. `action` as in personal-data; made-up keys say MADEUP.
    Measured: F1 1.00 on 500 generated keys of 19 services and keys that are only called one, among as many look-alikes;
    nothing in 39,106 rows of BANKING77, CLINC150 and HWU64 (bench/quality/personal.py).
    Limits: a password of letters only, and a key of an unknown shape that nothing calls a key, are not found; hashes,
    ids and UUIDs are no secrets unless they are called one.

    >>> from tuneset.testing import examples
    >>> Secret(action="mask")(examples(["see https://shop.com/me?id=7&token=a8Fk2"]))["after"].item()
    'see https://shop.com/me?id=7&token=[URL_TOKEN]'
    """

    rule: ClassVar[str] = "secret"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (
        ["my key is ghp_0123456789abcdefghijABCDEFGHIJ012345"],
        ["https://shop.com/reset?token=8f14e45fceea167a"],
        ["password: Tr0ub4dor&3"],
    )
    silent: ClassVar[Cases] = (
        ["I forgot my password"],
        ["commit 8f14e45fceea167a5a36dedd4bea2543 broke it"],
        ["set api_key=YOUR_API_KEY first"],
        ["see https://shop.com/search?q=red+shoes&page=2"],
    )

    action: str = "flag"
    kinds: tuple[str, ...] = tuple(SECRET)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an action or a kind that there is not."""
        _check_action(self.action)
        checked(self.kinds, SECRET)

    @property
    def hides(self) -> bool:
        """Say whether values are to be in no file of the run."""
        return self.action != "flag"

    def hide(self, values: pl.Series) -> pl.Series:
        """Mask or replace in a whole column."""
        return rewritten(values, _write(self.action, self.seed), Search(self.kinds))

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples hold secrets, of which kinds and where."""
        return _said(self.rule, examples, Search(self.kinds), self.action, self.seed)


def _check_action(action: str) -> None:
    if action not in ACTIONS:
        raise ValueError(f"no such action: {action!r} (there are: {', '.join(ACTIONS)})")


def _write(action: str, seed: int) -> Write:
    return partial(invented, seed=seed) if action == "replace" else placeholder


def _said(rule: str, examples: pl.DataFrame, search: Search, action: str, seed: int) -> pl.DataFrame:
    fields = (
        ("/messages", examples.filter(pl.col("messages").is_not_null()), "messages", search),
        ("/text", examples.filter(pl.col("messages").is_null()), "text", search),
        ("/labels", examples, "labels", search._replace(names=None)),  # a class may be called as a place is
    )
    write = _write(action, seed)
    said: list[tuple[object, ...]] = []
    for field, rows, column, sought in fields:
        looked = {value: look(value, sought, write) for value in suspects(rows[column], sought).to_list()}
        found = {value: each for value, each in looked.items() if each.found}
        hit = rows.filter(pl.col(column).is_in(list(found))) if found else rows.clear()
        for example, before in hit.select("id", column).iter_rows():
            said.append((rule, example, *_finding(field, before, found[before], action)))
    return pl.DataFrame(said, schema={name: model.FINDINGS[name] for name in _COLUMNS}, orient="row")


def _finding(field: str, before: str, looked: Looked, action: str) -> tuple[object, ...]:
    share = sum(place.end - place.start for place in looked.found) / len(before)
    says = places_say(looked.found, in_turns=field == "/messages")
    if action == "flag":
        return "none", field, before, None, says, min(1.0, share)
    done = "masked" if action == "mask" else "replaced"
    return "edit", field, before, looked.value, f"{done}: {says}", min(1.0, share)


def places_say(found: tuple[Place, ...], *, in_turns: bool = False) -> str:
    """Say how many of each kind were found and where, and never what.

    >>> places_say((Place("email", 5, 18, 2),), in_turns=True)
    '1 e-mail address (turn 2, characters 6-18)'
    """
    counts = Counter(place.kind for place in found)
    return ", ".join(
        f"{count} {KINDS[kind].one if count == 1 else KINDS[kind].many} ({_where(kind, found, in_turns=in_turns)})"
        for kind, count in counts.items()
    )


def _where(kind: str, found: tuple[Place, ...], *, in_turns: bool) -> str:
    own = [place for place in found if place.kind == kind]
    named = [
        (f"turn {place.turn}, " if in_turns else "") + f"characters {place.start + 1}-{place.end}"
        for place in own[:NAMED_PLACES]
    ]
    more = f" and {len(own) - NAMED_PLACES} more" if len(own) > NAMED_PLACES else ""
    return ("; ".join(named) if in_turns else ", ".join(named).replace(", characters", ",")) + more
