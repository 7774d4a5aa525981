"""What stands in answers and answers nothing: places left to fill in, and politeness before, after and instead."""

from __future__ import annotations

import re

from tuneset.clean.spans import Span

LEAST = 6  # words that make an answer a text, and no label
# Places that somebody was to fill in. What personal data was masked with ([EMAIL]) and indices (a[0]) are none.
_SLOT = re.compile(
    r"\{\{\s*[A-Za-z][\w .-]{0,40}\}\}|\$\{[A-Za-z]\w{0,30}\}"
    r"|[\[<](?:[Yy]our|[Ii]nsert|[Ee]nter|[Aa]dd|[Mm]y|YOUR|INSERT|ENTER) [^\]>\n]{1,40}[\]>]"
    r"|\[(?:(?:First|Last|Full|Customer|Client|Company|Agent|Product|Recipient|Sender|User|Business|Store|Team|Contact|Phone|Order|Account|Tracking|Support|Website)(?:'s)?(?: [A-Za-z]+){0,3}|Name(?: [a-z]+){0,2} [A-Z][a-z]+|Name|Date|Time|Link|Address|City|Amount|Number|Signature|Title)\]"
    r"|\b(?:INSERT|PASTE|PUT|WRITE|ENTER) (?:[A-Z]+ ){0,3}HERE\b|\b[Ii]nsert (?:your |the |an? )?(?:answer|text|response|name|reply|content) here\b|[\[<](?:first |last |full |user ?|customer |company )?(?:name|date|link|url|address|amount|signature|title)[\]>]|\bREPLACE (?:THIS|WITH) [A-Z]+|\b[Ll]orem ipsum\b|\bLOREM IPSUM\b"
    r"|\[(?:Mr|Ms|Mrs|Dr)\b[^\]\n]{0,30}\]|\[(?:COMPANY|CUSTOMER|CLIENT|AGENT|PRODUCT|STORE|BRAND) (?:[A-Z]+ ?){1,3}\]|\b(?:[Aa]dd|[Ee]nter|[Tt]ype|[Ww]rite) your (?:text|answer|response|reply|message) here\b|\b(?:ANSWER|RESPONSE|TEXT|REPLY) GOES HERE\b|\bTODO:? (?:answer|write|fill)|\{(?:first_?name|last_?name|customer(?:_?name)?|user_?name|company(?:_?name)?|order_?(?:id|number))\}"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
# Politeness around an answer. Each alternative is a whole sentence or more, at the start or at the end.
_BEFORE = re.compile(
    r"\A\s*(?:(?:sure|certainly|of course|absolutely|gladly|okay|ok|got it)(?: thing)?[!,.]+\s+(?:i['\u2019]d be happy to[^\n.!?]{0,40}[.!]\s+)?(?:here(?:'s|\u2019s| is| are)|below (?:is|are))"
    r"|here(?:'s|\u2019s| is| are) (?:the|an?|your|my|some|\w+) (?:[\w-]+ ){0,4}?(?:list|answer|response|reply|example|summary|translation|poem|story|essay|version|paraphrases?|draft|breakdown|outline|ideas|suggestions|explanation|result|output|rewrite|correction)s?\b"
    r"|as requested,? here(?:'s|\u2019s| is| are))[^\n.!?:]{0,100}(?::|[.!](?=\s*\n))\s*"
    r"|\A\s*(?:great|good|excellent|interesting) question[!.,]\s*|\A\s*(?:that['\u2019]s|that is|what) an? (?:great|good|excellent|interesting) question[!.,]\s*",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:(?<=[.!?:)\]\"])\s+|\n\s*)(?:(?:i (?:really )?)?hope (?:this|that|it) (?:helps|was helpful|answers your question)[^\n.!?]{0,40}[.!]*|(?:please )?(?:feel free to )?(?:just )?let me know if (?:you(?:['\u2019]d| would) like|you (?:have|need|want)|there is|there's|this)[^\n.!?]{0,80}[.!]*)\s*\Z",
    re.IGNORECASE,
)
# An answer of these words alone thanks, promises and says goodbye. What would say something is not among them: no sum, no
# day, no place, no "refunded" or "sent".
_POLITE = """
e words caused cause soonest reached prompt promptly happen regret telling shared matter matters big huge
a able about active again agent agents all always am an and answer answered answering any anything apologies apologise
apologize appreciate appreciated are around as assist assistance at attention back be because been being best better
business but by call can care case chat choosing client come comments communication company complaint concern concerns
connect contact contacting could customer customers day days dear department didn't do doing don't each either else
email emails enjoy enquiries enquiry ensure evening every everyone everything experience express feedback feel few
find first follow following for forward forwarded found free from further future get getting glad go goal good got
grateful great greetings had handled happy has hasn't have having hear hearing hello help helped helpful helping here
hesitate hey hi hope hour hours how i i'd i'll i'm i've if important in inconvenience input inquiries inquiry interest
interested into is issue issues it it's its join just keep kind kindest kindly know let letting like line listening
look looked looking lot lovely loyal loyalty mail make many matter matters may maybe me member members message
messages moment month more most much must my need never nice night noted now of off on one opinion opinions or order
orders other our out part passed patience patient people person personally please pleased pleasure point possible
priority problem problems provide purchase query question questions quickly re reach reached reaching read ready
really receive received regarding regards replied reply report request requests respond responding response review
reviews right satisfaction satisfied say see send sending serve service services shall share shared sharing shopping
short shortly should sincere sincerely sir so some somebody someone soon sorry specialist specialists staff stay still
store submitted suggestion suggestions super support sure take taken taking talk team teams telling thank thanks that
that's the their them then there these they this those time times to today together top touch trouble truly trust
trusting try under understand understanding until up update updates us using valuable value valued values very via
visit visiting wait waiting want warm warmest was we we'd we'll we're we've week weekend welcome well were what
whatever when which while who will wish wishes with within without wonderful work working would write writing wrote
year years yet you you'd you'll you're you've your yours
"""
_POLITE_WORDS = frozenset(_POLITE.split())
_HESITATE = re.compile(r"\bdo not hesitate\b", re.IGNORECASE)
# A question is an answer that asks for something, but not "Is there anything else that I can help you with?"
_ASKS = re.compile(r"(?:^|[.!?]\s)(?![^.!?]*\b(?:help|assist|anything else)\b)[^.!?]*\?", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d+")
_THANKS = re.compile(
    r"\b(?:thank|appreciat|apolog|sorry|regards|welcome|important to|value|(?:in|get) touch|get back|received|(?:will|'ll|shall) (?:\w+ )?(?:reply|respond|answer|contact|reach|look|help|assist|be))",
    re.IGNORECASE,
)

# One of these is in everything that is found here, in any case of letters.
SIGNS = (
    *(
        "{{",
        "${",
        "[your",
        "<your",
        "[insert",
        "<insert",
        "[enter",
        "<enter",
        "[add",
        "<add",
        "[my",
        "<my",
        " here",
        "lorem ipsum",
        "todo",
        "{first",
        "{last",
        "{customer",
    ),
    *(
        "{user",
        "{company",
        "{order",
        "[first",
        "[last",
        "[full",
        "[customer",
        "[client",
        "[company",
        "[agent",
        "[product",
        "[recipient",
        "[sender",
        "[user",
        "[business",
    ),
    *(
        "[store",
        "[team",
        "[contact",
        "[phone",
        "[order",
        "[account",
        "[tracking",
        "[support",
        "[website",
        "[name",
        "[date",
        "[time",
        "[link",
        "[address",
        "[city",
        "[amount",
    ),
    *(
        "[number",
        "[signature",
        "[title",
        "[mr",
        "[ms",
        "[dr",
        "[brand",
        "<first",
        "<last",
        "<full",
        "<user",
        "<customer",
        "<company",
        "<name",
        "<date",
        "<link",
        "<url",
        "[url",
        "<address",
        "<amount",
        "<signature",
        "<title",
        "replace this",
        "replace with",
        "hope ",
        "let me know",
        "question",
        "here is",
        "here's",
        "here are",
        "here\u2019s",
        "below is",
        "below are",
        "thank",
        "message",
        "inquiry",
    ),
    *(
        "feedback",
        "team",
        "regards",
        "appreciate",
        "have a ",
        "satisfaction",
        "happy to",
        "sorry",
        "apolog",
        "welcome",
        "important to",
        "value",
        "touch",
        "get back",
        "received",
        "will ",
        "contact us",
        "reach out",
    ),
)


def unfilled(answer: str) -> str | None:
    """Return a place that was left to fill in, None where there is none; code is not looked at.

    >>> unfilled("Kind regards, [Your Name]"), unfilled("Write `{{ name }}` there"), unfilled("We wrote to [EMAIL]")
    ('[Your Name]', None, None)
    """
    found = _SLOT.search(_CODE.sub(" ", answer))
    return found[0] if found else None


def says_nothing(answer: str) -> bool:
    """Say whether an answer of some length is nothing but politeness.

    >>> says_nothing("Thank you for contacting us. We will get back to you shortly."), says_nothing("Thank you!")
    (True, False)
    """
    words = _WORDS.findall(_HESITATE.sub("", answer))
    if not LEAST <= len(words) <= 80 or _ASKS.search(answer) or not _THANKS.search(answer):
        return False
    odd = [word for word in words if word.replace("\u2019", "'").lower() not in _POLITE_WORDS]
    names = [word for word in odd if word[0].isupper() or word in ("24", "48", "two", "three", "eight")]
    return len(names) == len(odd) <= 2


def padding(answer: str) -> list[Span]:
    r"""Find politeness before and after an answer; what stands alone is none.

    >>> padding("Sure! Here is your list:\n- milk\nI hope this helps!")
    [Span(start=0, end=25, what='opening'), Span(start=31, end=50, what='closing')]
    """
    found = ((_BEFORE.match(answer), "opening"), (_AFTER.search(answer), "closing"))
    return [Span(match.start(), match.end(), what) for match, what in found if match]
