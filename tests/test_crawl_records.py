"""Records that a page declares: one for each review, question, answer, post and comment, as extruct sees them too."""

from __future__ import annotations

import gzip
import html
import json
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from extruct.jsonld import JsonLdExtractor
from extruct.w3cmicrodata import MicrodataExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.crawl.records import _Seen, records, records_of, resolved
from tuneset.crawl.text import decoded

URL = "https://kettles.example/t/7"
DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))


def scripts(*texts):
    return "".join(f'<script type="application/ld+json">{text}</script>' for text in texts)


def told(*nodes):
    return records(scripts(*map(json.dumps, nodes)), URL)


def test_a_review_has_its_text_rating_author_date_and_what_it_is_about():
    review = {
        "@type": "Review",
        "name": "Good",
        "reviewBody": "Boils &amp; <b>pours</b>",
        "reviewRating": {"@type": "Rating", "ratingValue": "4,5"},
        "author": [{"@type": "Person", "name": "Ann"}, "Bo"],
        "datePublished": "2024-05-03",
    }
    (found,) = told({"@context": "https://schema.org", "@type": "Product", "name": "Kettle", "review": [review]})
    assert found._asdict() == {
        "kind": "review",
        "text": "Boils & pours",
        "answer": None,
        "title": "Good",
        "author": "Ann, Bo",
        "date": "2024-05-03",
        "rating": 4.5,
        "item": "Kettle",
        "url": "",
        "thread": URL,
        "source": "json-ld",
        "votes": None,
    }


def answer(text, votes):
    return {"@type": "Answer", "text": text, "upvoteCount": votes}


def test_a_question_has_its_accepted_answer_and_each_answer_is_a_record_too():
    asked = {
        "@type": "Question",
        "name": "Why?",
        "text": "Why does it trip?",
        "url": "/q/1",
        "upvoteCount": 3,
        "acceptedAnswer": answer("A crack.", 2),
        "suggestedAnswer": [answer("The socket.", 9), answer("Damp.", 1)],
    }
    found = told({"@type": "QAPage", "mainEntity": asked})
    assert [(each.kind, each.text, each.votes) for each in found] == [
        ("question", "Why does it trip?", 3),
        ("answer", "A crack.", 2),
        ("answer", "The socket.", 9),
        ("answer", "Damp.", 1),
    ]
    assert (found[0].answer, found[0].title) == ("A crack.", "Why?")
    assert {each.thread for each in found} == {"https://kettles.example/q/1"}
    del asked["acceptedAnswer"]
    assert told({"@type": "QAPage", "mainEntity": asked})[0].answer == "The socket."


def test_each_question_of_a_faq_is_one_record_with_its_answer():
    asked = [{"@type": "Question", "name": f"Why {n}?", "acceptedAnswer": answer(f"So {n}.", 0)} for n in range(3)]
    found = told({"@type": "FAQPage", "mainEntity": asked})
    assert [(each.kind, each.text, each.answer) for each in found] == [
        ("faq", f"Why {n}?", f"So {n}.") for n in range(3)
    ]


def test_a_post_and_its_comments_are_one_record_each_in_one_thread():
    reply = {"@type": "Comment", "@id": "#c2", "text": "Second", "author": {"name": "Bo"}}
    first = {"@type": "Comment", "@id": "#c1", "text": "First", "comment": reply}
    post = {"@type": "DiscussionForumPosting", "@id": URL, "headline": "Trips", "text": "Help", "comment": [first]}
    found = told(post)
    assert [(each.kind, each.text, each.url) for each in found] == [
        ("post", "Help", URL),
        ("comment", "First", f"{URL}#c1"),
        ("comment", "Second", f"{URL}#c2"),
    ]
    assert {each.thread for each in found} == {URL}
    assert found[0].title == "Trips"


MICRODATA = """
<div itemscope itemtype="http://schema.org/Product"><h1 itemprop=name>Kettle</h1>
  <div itemprop=review itemscope itemtype="http://schema.org/Review" itemid="#r1">
    <p itemprop=reviewBody>Boils <i>fast</i><br>and <script>x()</script>pours &lt;b&gt;</p>
    <span itemprop=author itemscope itemtype="http://schema.org/Person"><b itemprop=name>Ann</b></span>
    <span itemprop=reviewRating itemscope itemtype="http://schema.org/Rating"><meta itemprop=ratingValue content=5></span>
    <time itemprop=datePublished datetime=2024-05-03>3 May</time>
  </div>
</div>"""


def test_microdata_is_read_as_json_ld_is():
    (found,) = records(MICRODATA, URL)
    assert (found.kind, found.text, found.author, found.rating) == ("review", "Boils fast\nand pours <b>", "Ann", 5.0)
    assert (found.date, found.item, found.url, found.source) == ("2024-05-03", "Kettle", f"{URL}#r1", "microdata")


def test_an_item_may_refer_to_what_stands_elsewhere():
    html = '<p id=words itemprop=text>Far away</p><div itemscope itemtype="https://schema.org/Comment" itemref="words none"></div>'
    assert [each.text for each in records(html, URL)] == ["Far away"]


def test_a_record_in_both_notations_comes_once():
    twin = {"@type": "Review", "reviewBody": "Boils fast and pours <b>".replace("<b>", "&lt;b&gt;"), "author": "Ann"}
    found = records(scripts(json.dumps([twin, twin])) + MICRODATA, URL)
    assert [each.source for each in found] == ["json-ld"]


def test_two_people_may_say_the_same():
    thanks = [{"@type": "Comment", "text": "Thanks!", "author": name} for name in ("Ann", "Bo")]
    assert [each.author for each in told(*thanks)] == ["Ann", "Bo"]


def test_references_by_id_are_followed_also_in_circles():
    graph = [
        {"@type": "Review", "reviewBody": "Good", "author": {"@id": "#ann"}, "itemReviewed": {"@id": "#kettle"}},
        {"@id": "#ann", "@type": "Person", "name": "Ann", "knows": {"@id": "#ann"}},
        {"@id": "#kettle", "@type": "Product", "name": "Kettle", "isSimilarTo": [{"@id": "#ann"}, {"@id": "#kettle"}]},
    ]
    (found,) = told({"@graph": [[graph[0]], graph[1:]]})
    assert (found.author, found.item) == ("Ann", "Kettle")


COMMENT = '{"@type": "Comment", "text": "Why, see https://a.example//b, [1,] ok"}'
BROKEN = {
    "a control character": COMMENT.replace("Why,", "Why,\n\t\x01").replace("\x01", ""),
    "a comma too many": COMMENT.replace("}", ",}"),
    "a comma too many in a list": f"[{COMMENT}, ]",
    "a comment": f"/* shop */ // ours\n{COMMENT}",
    "a comment of HTML": f"<!-- {COMMENT} -->",
    "CDATA": f"//<![CDATA[\n{COMMENT}\n//]]>",
    "entities": html.escape(COMMENT),
    "two objects": f"{COMMENT} {{}}",
    "two objects and a comma": f'{{"@type": "Thing"}},\n{COMMENT};',
    "a list in lists": f"[[[{COMMENT}]]]",
    "a graph": f'{{"@context": "https://schema.org", "@graph": [{COMMENT}]}}',
    "a full type": COMMENT.replace("Comment", "http://schema.org/Comment"),
    "two types": COMMENT.replace('"Comment"', '["Thing", "schema:Comment"]'),
    "a value": COMMENT.replace('"Why', '{"@value": "Why').replace('ok"', 'ok"}'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_json_ld_is_read_though_it_has(name):
    found = records(scripts(BROKEN[name]), URL)
    assert [" ".join(each.text.split()) for each in found] == ["Why, see https://a.example//b, [1,] ok"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "7", "[]", '"Comment"', '{"@type": 7}', '{"@type": "Comment"}', '{"text": "x"}', "{'a': 1}"],
)
def test_what_says_nothing_gives_no_record(text):
    assert records(scripts(text, COMMENT), URL)[-1].kind == "comment"
    assert records(scripts(text), URL) == []


DEEP = 100_000
HOSTILE = {
    "lists in lists": "[" * DEEP + "]" * DEEP,
    "objects in objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "comments in comments": '{"@type": "Comment", "text": "x", "comment": ' * 300 + "1" + "}" * 300,
    "a string that never ends": '{"a": "' + '\\"' * 500_000,
    "a comment that never ends": "{" + "/*" * 500_000,
    "a long number": f'{{"@type": "Review", "reviewBody": "x", "reviewRating": {{"ratingValue": {"9" * 100_000}}}}}',
    "many objects": COMMENT * 30_000,
    "a ring": json.dumps(
        [
            {"@id": f"#{n}", "@type": "Comment", "text": f"{n}", "comment": {"@id": f"#{(n + 1) % 3000}"}}
            for n in range(3000)
        ]
    ),
    "a bad address": '{"@type": "Comment", "text": "x", "url": "http://[", "@id": "//["}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_ld_costs_seconds_at_the_most(name):
    started = time.process_time()
    assert len(records(scripts(HOSTILE[name]), URL)) <= 5_000
    assert time.process_time() - started < 10


def test_hostile_microdata_costs_seconds_at_the_most():
    started = time.process_time()
    shared = f"<div id=all>{'<p itemprop=text>hello</p>' * 3000}</div>"
    ring = "<div id=a itemscope itemref='a b'><div id=b itemprop=text itemscope itemref=a>x</div></div>"
    deep = "<div itemprop=text itemscope>" * 240 + "word " * 5000
    records(shared + "<div itemscope itemtype='http://schema.org/Comment' itemref=all></div>" * 3000 + ring + deep, URL)
    assert time.process_time() - started < 10


# The differential oracle: extruct's own reading of both notations, put through our selection of types.


def theirs(page):
    items = [as_node(each) for each in MicrodataExtractor().extract(page, base_url=URL)]
    return records_of(resolved(JsonLdExtractor().extract(page, base_url=URL)), items, URL)


def as_node(item):
    """Put an item of extruct into the form of JSON-LD's nodes."""
    if not isinstance(item, dict):
        return _Seen(item) if isinstance(item, str) else item
    named = {"@type": item.get("type", []), **({"@id": item["id"]} if "id" in item else {})}
    several = {
        name: value if isinstance(value, list) else [value] for name, value in item.get("properties", {}).items()
    }
    return named | {name: [as_node(each) for each in value] for name, value in several.items()}


def told_by(found, part=r"\S+"):
    """Count records; of their texts the parts, because the two lay out lines and spaces differently."""
    return Counter(
        tuple(" ".join(re.findall(part, each)) if isinstance(each, str) else each for each in record)
        for record in found
    )


WORDS = st.text("abc <>&\"'é/,{}[]", min_size=1, max_size=12).map(lambda text: f"w {text}")
SIMPLE = st.fixed_dictionaries(
    {
        "@type": st.sampled_from(
            ["Comment", "Review", "Answer", "DiscussionForumPosting", "Product", "http://schema.org/Comment"]
        )
    },
    optional={
        **dict.fromkeys(["text", "name", "reviewBody", "headline", "author", "datePublished"], WORDS),
        "upvoteCount": st.integers(0, 99),
        "reviewRating": st.fixed_dictionaries({"@type": st.just("Rating"), "ratingValue": st.integers(1, 5)}),
    },
)
NODES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(
        lambda node, name, held: {**node, name: held},
        SIMPLE,
        st.sampled_from(["comment", "review", "mainEntity", "suggestedAnswer"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(NODES, max_size=4))
def test_records_of_json_ld_are_those_of_extruct(nodes):
    page = scripts(json.dumps(nodes).replace("<", "\\u003c"))
    assert told_by(records(page, URL)) == told_by(theirs(page))


def as_microdata(node, prop=""):
    inner = [
        as_microdata(each, name) if isinstance(each, dict) else f"<span itemprop={name}>{html.escape(str(each))}</span>"
        for name, value in node.items()
        if name != "@type"
        for each in (value if isinstance(value, list) else [value])
    ]
    kind = node["@type"].removeprefix("http://schema.org/")
    given_as = f" itemprop={prop}" if prop else ""
    return f"<div itemscope itemtype='http://schema.org/{kind}'{given_as}>{' '.join(inner)}</div>"


@settings(max_examples=80, deadline=None)
@given(st.lists(NODES, max_size=4))
def test_records_of_microdata_are_those_of_extruct(nodes):
    page = f"<html><body>{''.join(map(as_microdata, nodes))}</body></html>"
    assert told_by(records(page, URL)) == told_by(theirs(page))


@pytest.mark.skipif(not (DATA / "web_pages").exists(), reason="shared data absent (TUNESET_DATA)")
def test_records_of_real_pages_are_those_of_extruct():
    found = 0
    for path in sorted((DATA / "web_pages" / "html").glob("*.html.gz")):
        page, _ = decoded(gzip.decompress(path.read_bytes()))
        ours = told_by(records(page, URL), r"\w+")
        assert ours == told_by(theirs(page), r"\w+"), path.name
        found += bool(ours)
    assert found >= 16
