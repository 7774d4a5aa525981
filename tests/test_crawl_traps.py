"""Sites without an end, by their addresses and by their words; sitemaps within bounds; addresses that are one."""

from __future__ import annotations

import gzip
import itertools
import random
import time
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from w3lib.url import safe_url_string

from tuneset.crawl import sitemaps
from tuneset.crawl.addresses import absolute, domain, key, origin, scope
from tuneset.crawl.policy import Policy
from tuneset.crawl.traps import Novelty, bucket, sketch, trap

POLICY = Policy(contact="me@example.org")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/a/b/c", ""),
        ("/2024/05/12/a-title", ""),
        ("/1/2/3/4/5/6/7/8", ""),
        ("/1/2/3/4/5/6/7/8/9", "deep-path"),
        ("/a/a/b", ""),
        ("/a/b/a/b/a", "repeated-part"),
    ],
)
def test_a_path_that_goes_too_deep_or_in_circles_is_a_traps(path, why):
    assert trap(f"https://a.org{path}", POLICY) == why


def test_variants_of_a_path_and_months_of_a_calendar_share_a_bucket_and_topics_do_not():
    assert bucket("https://a.org/list?sort=1&dir=up") == bucket("https://a.org/list?dir=down&sort=2") != ""
    assert bucket("https://a.org/cal/2026/01") == bucket("https://a.org/cal/2031/12") != ""
    assert bucket("https://a.org/cal?date=2026-01-01") == bucket("https://a.org/cal?date=2031-01-01") != ""
    assert bucket("https://a.org/viewtopic.php?t=1&sort=a") == bucket("https://a.org/viewtopic.php?t=1&sort=b")
    assert bucket("https://a.org/viewtopic.php?t=1&sort=a") != bucket("https://a.org/viewtopic.php?t=2&sort=a")
    assert {bucket(f"https://a.org{path}") for path in ("/viewtopic.php?t=7", "/2026/01/02/title", "/a")} == {""}
    assert bucket("https://a.org/x?sid=1") == bucket("https://a.org/x?sid=2") != ""


SYLLABLES = ["ka", "lo", "mi", "ne", "ru", "sa", "to", "vi", "ze", "pa"]


def word(number):
    text = ""
    while number:
        number, part = divmod(number, 10)
        text += SYLLABLES[part]
    return text or "a"


def natural(chance, length=300):
    """Words as people use them: the n-th commonest is 1/n as common (Zipf), and new ones keep coming."""
    return " ".join(word(int(1_000_000 ** chance.random())) for _ in range(length))


def verdicts(pages, window=50):
    novelty = Novelty(window)
    return [novelty.see(sketch(page)) for page in pages]


def test_texts_that_people_write_are_no_trap():
    chance = random.Random(1)
    assert set(verdicts(natural(chance) for _ in range(200))) == {""}


def test_pages_that_bring_nothing_new_are_a_trap_and_only_once_the_window_is_full():
    chance = random.Random(2)
    text = natural(chance)
    found = verdicts(f"{text} {number}" for number in range(60))
    assert found[:49] == [""] * 49
    assert found[-1] == "nothing-new"


def test_words_drawn_at_random_are_babble():
    chance = random.Random(3)
    assert verdicts(" ".join(word(chance.randrange(5_000)) for _ in range(300)) for _ in range(60))[-1] == "babble"


def test_a_markov_chain_over_a_text_is_babble():
    chance = random.Random(4)
    corpus = natural(chance, 3_000).split()
    after = {}
    for one, two in itertools.pairwise(corpus):
        after.setdefault(one, []).append(two)

    def speak():
        at = chance.choice(corpus)
        for _ in range(300):
            at = chance.choice(after.get(at) or corpus)
            yield at

    assert "babble" in verdicts(" ".join(speak()) for _ in range(400))


def test_a_script_without_spaces_is_not_taken_for_babble():
    chance = random.Random(5)
    pages = [
        "。".join("".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(20)) for _ in range(300))
        for _ in range(55)
    ]
    assert set(verdicts(pages)) == {""}


def test_a_sitemap_is_read_packed_or_not_with_any_namespace_and_as_lines():
    text = b'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="urn:i"><url><loc>https://a.org/1</loc><i:image><i:loc>https://a.org/p.png</i:loc></i:image></url></urlset>'
    for body in (text, gzip.compress(text), b"\xef\xbb\xbf" + text):
        assert sitemaps.read(body, POLICY).pages[0] == "https://a.org/1"
    assert sitemaps.read(b"https://a.org/1\nnonsense\nhttps://a.org/2", POLICY).pages == (
        "https://a.org/1",
        "https://a.org/2",
    )
    index = b"<sitemapindex><sitemap><loc>https://a.org/m</loc></sitemap></sitemapindex>"
    assert sitemaps.read(index, POLICY) == ((), ("https://a.org/m",), "")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<urlset><url><loc>https://a.org/1</loc></url>", ""),
        (b"<urlset><url><loc>https://a.org/1</loc></url><oops", ""),
        (b"<urlset><url><loc>https://a.org/1</loc></url></urlset2>", "broken"),
        (gzip.compress(b"<urlset><url><loc>https://a.org/1</loc></url>" + b" " * (60 << 20)), "broken"),
        (gzip.compress(b"<urlset><url><loc>https://a.org/1</loc></url></urlset>")[:-20], ""),
        (b"\x1f\x8bnonsense", "broken"),
        (b"<urlset>" + b"<url><loc>https://a.org/1</loc></url>" * 50_001 + b"</urlset>", "too-many"),
        (b"<a>" * 100_000, "broken"),
    ],
    ids=["cut", "cut tag", "wrong end", "bomb", "cut gzip", "no gzip", "many", "deep"],
)
def test_a_sitemap_that_is_broken_or_endless_gives_what_was_read_before(body, why):
    start = time.process_time()
    found = sitemaps.read(body, POLICY)
    assert found.why == why
    assert len(found.pages) <= 50_000
    assert time.process_time() - start < 5


def test_a_sitemap_is_not_unpacked_beyond_its_limit():
    small = Policy(contact="me@example.org", map_bytes=1 << 20)
    body = gzip.compress(b"<urlset><url><loc>https://a.org/1</loc></url>" + b"<url><i/></url>" * (10 << 20 >> 4))
    assert sitemaps.read(body, small) == (("https://a.org/1",), (), "too-large")


def test_entities_of_a_sitemap_are_never_unfolded_nor_loaded(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("https://a.org/secret")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    for entity in (f'<!ENTITY x SYSTEM "file://{secret}">', f'<!ENTITY l0 "ha">{laughs}<!ENTITY x "&l9;">'):
        body = f"<!DOCTYPE urlset [{entity}]><urlset><url><loc>&x;</loc></url></urlset>".encode()
        assert "".join(sitemaps.read(body, POLICY).pages) in ("", "&x;")


PARTS = st.text("aB1%2é/.?&=;+~ #", max_size=30)


@given(PARTS, st.sampled_from(["", "utm_source=x&", "gallery=5&", "id=7&b=2&a=1&", "q=&"]), PARTS)
def test_the_key_of_a_key_is_itself(path, query, rest):
    for url in (f"https://A.org:443/{path}?{query}{rest}", f"http://a.org:80/{path};jsessionid=1?{rest}#x"):
        found = absolute("https://b.org/", url)
        if found:
            assert key(key(found)) == key(found)
            assert urlsplit(key(found)).fragment == ""


@given(st.text("aB1%2é/.?&=;+~ #:@!,|<>\"\\^[]{}'()*", max_size=40))
def test_the_quick_way_to_a_safe_address_gives_what_the_long_way_gives(rest):
    found = absolute("", f"https://a.org/{rest}")
    assert found in ("", safe_url_string(f"https://a.org/{rest}".strip()))


@pytest.mark.parametrize("name", ["gallery=5", "cid=5", "reference=2", "uid=7", "keyword=x", "source=y", "id=1", "q="])
def test_what_may_name_a_page_stays_in_its_key(name):
    assert key(f"https://a.org/x?{name}&utm_medium=m&fbclid=z") == f"https://a.org/x?{name}"


def test_what_belongs_to_the_crawl_is_decided_by_registered_domain_port_and_expressions():
    inside = scope(["https://www.shop.co.uk/x", "https://me.github.io/"], POLICY)
    urls = {
        "https://forum.shop.co.uk/": True,
        "https://other.co.uk/": False,
        "https://you.github.io/": False,
        "https://me.github.io/a": True,
        "https://shop.co.uk.evil.org/": False,
        "https://evilshop.co.uk/": False,
        "http://shop.co.uk:8080/": False,
        "http://shop.co.uk:80/": True,
        "https://shop.co.uk/" + "x" * 3_000: False,
    }
    assert inside.holds(urls) == [url for url, holds in urls.items() if holds]
    assert (domain("https://a.b.example.com/"), origin("HTTPS://A.org:443/x?y")) == ("example.com", "https://a.org")


def test_an_expression_takes_linear_time_whatever_the_address():
    slow = Policy(contact="me@example.org", include="(a+)+$")
    start = time.process_time()
    assert scope(["https://a.org/"], slow).holds(["https://a.org/" + "a" * 1_500 + "!"]) == []
    assert time.process_time() - start < 2
