"""Robots rules as RFC 9309 means them, and what owners say about training, wherever they say it."""

from __future__ import annotations

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset.crawl.http import Answer
from tuneset.crawl.preferences import in_headers, in_page, in_robots, in_tdmrep, no_follow, strictest
from tuneset.crawl.robots import judge, our_lines

MOST = 500 * 1024
URL = "https://a.org/art/1?x=1"


def answered(status=200, body=b"", error=""):
    return judge(Answer("u", "u", status, {}, body, error=error), MOST)


@pytest.mark.parametrize(
    ("robots", "allowed", "why", "later"),
    [
        (answered(200, b"User-agent: *\nDisallow: /private"), True, "rules", False),
        (answered(200, b"User-agent: *\nDisallow: /art"), False, "rules", False),
        (answered(200, b"User-agent: *\nDisallow: /\n\nUser-agent: tuneset\nDisallow: /x"), True, "rules", False),
        (answered(200, b"User-agent: *\nAllow: /\n\nUser-agent: Tuneset\nDisallow: /art"), False, "rules", False),
        (answered(200, "\ufeffUser-agent: *\nDisallow: /".encode()), False, "rules", False),
        (answered(200, b""), True, "rules", False),
        (answered(200, b"<!doctype html><title>Sorry</title>"), False, "no-rules", False),
        (answered(200, b"\n  <html>"), False, "no-rules", False),
        (answered(404), True, "none", False),
        (answered(410), True, "none", False),
        (answered(401), False, "status-401", False),
        (answered(403), False, "status-403", False),
        (answered(429), False, "status-429", True),
        (answered(500), False, "status-500", True),
        (answered(503, b"User-agent: *\nAllow: /"), False, "status-503", True),
        (answered(304), False, "status-304", True),
        (answered(0, error="timeout"), False, "timeout", True),
        (answered(0, error="no-host"), False, "no-host", True),
        (answered(0, error="no-connection"), False, "no-connection", True),
        (answered(302, error="redirect-loop"), False, "redirect-loop", False),
        (answered(302, error="too-many-redirects"), False, "too-many-redirects", False),
    ],
)
def test_each_answer_to_robots_txt_allows_or_forbids_and_says_why(robots, allowed, why, later):
    assert robots.allows(URL) == (allowed, why)
    assert robots.later == later


def test_of_a_file_that_is_too_large_the_first_500_kib_count_and_half_a_rule_does_not():
    filler = b"# " + b"x" * 97 + b"\n"
    head = b"User-agent: *\nDisallow: /early\n"
    lines = (MOST - len(head)) // len(filler)
    body = head + filler * lines + b"Disallow: /" + b"x" * 300 + b"\nDisallow: /late\n"
    robots = answered(200, body[: MOST + 100], "too-large")
    assert not robots.allows("https://a.org/early/1").allowed
    assert robots.allows("https://a.org/late").allowed
    assert robots.allows("https://a.org/other").allowed
    assert robots.sha256


def test_a_delay_is_the_longest_that_is_asked_for():
    assert answered(200, b"User-agent: *\nCrawl-delay: 3\nRequest-rate: 1/10").delay == 10
    assert answered(200, b"User-agent: *\nCrawl-delay: 2.5\n\nUser-agent: other\nCrawl-delay: 9").delay == 2.5
    assert answered(404).delay == 0


def test_sitemaps_are_those_that_the_file_names():
    body = b"Sitemap: https://a.org/1.xml\nUser-agent: *\nDisallow:\nSitemap: https://a.org/2.xml\nSitemap: https://a.org/1.xml"
    assert answered(200, body).sitemaps == ("https://a.org/1.xml", "https://a.org/2.xml")


@given(st.text(max_size=300))
def test_any_text_can_be_judged(text):
    robots = answered(200, text.encode())
    assert robots.allows(URL).why in ("rules", "no-rules")
    assert robots.delay >= 0
    assert in_robots(text, URL).says in ("allow", "deny", "unstated")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("User-agent: *\nContent-Usage: train-ai=n", "deny"),
        ("User-agent: *\nContent-Usage: train-ai=y", "allow"),
        ("User-agent: *\nContent-Usage: /art train-ai=n", "deny"),
        ("User-agent: *\nContent-Usage: /music train-ai=n", "unstated"),
        ("User-agent: *\nContent-Usage: train-genai=n, search=y", "deny"),
        ("User-agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /", "deny"),
        ("User-agent: *\nContent-Signal: search=yes, ai-input=no", "unstated"),
        ("User-Agent: *\ncontent-signal: ai-train=yes", "allow"),
        ("User-agent: other\nContent-Signal: ai-train=no", "unstated"),
        ("User-agent: other\nUser-agent: *\nContent-Signal: ai-train=no", "deny"),
        ("User-agent: *\nContent-Signal: ai-train=no\n\nUser-agent: tuneset\nContent-Signal: ai-train=yes", "allow"),
        ("User-agent: *\nContent-Usage: train-ai=y\nContent-Signal: ai-train=no", "deny"),
        ("Content-Signal: ai-train=no", "deny"),
        ("# Content-Signal: ai-train=no", "unstated"),
    ],
)
def test_a_preference_in_robots_txt_is_that_of_our_group(text, says):
    found = in_robots(text, URL)
    assert found.says == says
    assert found.evidence.startswith("robots.txt: content-") == (says != "unstated")


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"content-usage": "train-ai=n"}, "deny"),
        ({"content-signal": "ai-train=no"}, "deny"),
        ({"x-robots-tag": "noai"}, "deny"),
        ({"x-robots-tag": "noimageai, noai"}, "deny"),
        ({"x-robots-tag": "noindex"}, "deny"),
        ({"x-robots-tag": "tuneset: noai"}, "deny"),
        ({"x-robots-tag": "otherbot: noai, noindex"}, "unstated"),
        ({"x-robots-tag": "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"}, "deny"),
        ({"x-robots-tag": "nofollow"}, "unstated"),
        ({"tdm-reservation": "1"}, "deny"),
        ({"tdm-reservation": "0"}, "allow"),
        ({"tdm-reservation": "0", "x-robots-tag": "noai"}, "deny"),
        ({}, "unstated"),
    ],
)
def test_a_preference_in_headers_is_read(headers, says):
    assert in_headers(headers).says == says


@pytest.mark.parametrize(
    ("head", "says", "alone"),
    [
        ('<meta name="robots" content="noai, noimageai">', "deny", False),
        ('<META NAME="ROBOTS" CONTENT="NOAI,NOFOLLOW">', "deny", True),
        ('<meta name="tuneset" content="noai">', "deny", False),
        ('<meta name="tdm-reservation" content="1">', "deny", False),
        ('<meta name="robots" content="index, follow">', "unstated", False),
        ('<meta name="otherbot" content="noai">', "unstated", False),
        ('<meta name="robots" content="none">', "deny", True),
    ],
)
def test_a_preference_in_a_page_is_read(head, says, alone):
    page = lxml.html.fromstring(f"<html><head>{head}</head><body>x</body></html>")
    assert in_page(page).says == says
    assert no_follow(page, {}) == alone


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'[{"location": "/art*", "tdm-reservation": 1}]', "deny"),
        (b'[{"location": "/", "tdm-reservation": 0}]', "allow"),
        (b'[{"location": "/art/", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]', "allow"),
        (b'[{"location": "/music", "tdm-reservation": 1}]', "unstated"),
        (b'{"location": "/", "tdm-reservation": 1}', "unstated"),
        (b'[1, null, {"location": 3}]', "unstated"),
        (b"<html>", "unstated"),
    ],
)
def test_a_preference_in_tdmrep_json_is_that_of_the_first_entry_that_covers_the_page(body, says):
    assert in_tdmrep(body, URL).says == says


def test_a_no_outweighs_every_yes_and_keeps_its_evidence():
    said = [in_headers({"tdm-reservation": "0"}), in_headers({"x-robots-tag": "noai"})]
    assert strictest(said) == ("deny", "header x-robots-tag: noai")
    assert strictest([]).says == "unstated"


def test_lines_of_several_groups_for_one_name_are_joined():
    text = "User-agent: tuneset\nContent-Signal: a=1\nUser-agent: *\nAllow: /\nUser-agent: TUNESET\nContent-Usage: b=2"
    assert our_lines(text) == [("content-signal", "a=1"), ("content-usage", "b=2")]
