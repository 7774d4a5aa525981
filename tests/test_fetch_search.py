"""Looking for datasets: the Hub's and Kaggle's real clients against a local server, and pages with schema.org records.

The last test asks the real places; it is there only where TUNESET_REAL_SERVICES=1:
TUNESET_REAL_SERVICES=1 pytest tests/test_fetch_search.py -k real
"""

import inspect
import json
import os
import subprocess
import sys

import fetch_server
import pytest
from fetch_server import repository
from huggingface_hub import close_session
from hypothesis import given
from hypothesis import strategies as st

from tuneset.cli import main
from tuneset.errors import RecipeError, TunesetError
from tuneset.fetch import download, pages
from tuneset.fetch.licences import USES, duty, forbids, terms
from tuneset.fetch.search import search

CARD = {"license": "cc-by-4.0", "pretty_name": "Bank inquiries"}
CARD |= {
    "dataset_info": {
        "features": [{"name": "text"}, {"name": "label"}],
        "splits": [{"num_examples": 10_003}, {"num_examples": 3080}],
    }
}
RECORD = {
    "@context": "https://schema.org",
    "@type": "Dataset",
    "name": "Bank inquiries of 2025",
    "description": "Questions &amp; answers of <b>customers</b> of a bank.",
    "license": {"@type": "CreativeWork", "name": "CC0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
    "variableMeasured": ["text", {"@type": "PropertyValue", "name": "category"}],
    "dateModified": "2026-02-03T10:00:00",
    "size": "12,000 rows",
    "distribution": [
        {"@type": "DataDownload", "encodingFormat": "application/pdf", "contentUrl": "/about.pdf"},
        {
            "@type": "DataDownload",
            "encodingFormat": "text/csv",
            "contentUrl": "/download?id=7",
            "contentSize": "1.5 MB",
        },
    ],
}


@pytest.fixture
def server(monkeypatch):
    for name in (
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "HTTP_PROXY",
        "no_proxy",
        "NO_PROXY",
        "HF_TOKEN",
        "KAGGLE_API_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.001)
    serving = fetch_server.serving()
    repository(
        serving,
        "shop/bank-inquiries",
        {"train.csv": b""},
        cardData=CARD,
        downloads=500,
        mainSize=123,
        description="Real questions",
    )
    repository(serving, "shop/bank-gated", {"train.csv": b""}, cardData={"license": "cc-by-nc-4.0"}, gated="manual")
    about = {"ref": "ann/bank", "title": "Bank tickets", "licenseName": "Unknown", "totalBytes": 5, "downloadCount": 7}
    serving.kaggle["ann/bank"] = {
        "about": about | {"lastUpdated": "2026-03-01T10:00:00.000Z", "url": "https://www.kaggle.com/datasets/ann/bank"}
    }
    scripts = f'<script type="application/ld+json">{json.dumps({"@graph": [{"@type": "WebSite"}, RECORD]})}</script>'
    serving.files["/catalogue"] = lambda _: (200, {"Content-Type": "text/html"}, f"<html>{scripts}</html>".encode())
    monkeypatch.setenv("HF_ENDPOINT", serving.url)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", serving.url)
    close_session()
    yield serving
    close_session()  # the client keeps the proxies of a test
    serving.shutdown()
    serving.server_close()


def test_candidates_of_all_places_are_shown_with_what_is_known_and_nothing_is_downloaded(server):
    found = search("bank", site=[f"{server.url}/catalogue"])
    assert found.says == ()
    by_address = {each.address: each for each in found.candidates}
    assert set(by_address) == {
        "hf:shop/bank-inquiries",
        "hf:shop/bank-gated",
        "kaggle:ann/bank",
        f"{server.url}/download?id=7",
    }
    hub = by_address["hf:shop/bank-inquiries"]
    assert (hub.title, hub.licence, hub.rows, hub.bytes, hub.columns, hub.downloads) == (
        "Bank inquiries",
        "cc-by-4.0",
        13_083,
        123,
        ("text", "label"),
        500,
    )
    assert (hub.updated, hub.url, hub.warns) == ("2026-03-01", f"{server.url}/datasets/shop/bank-inquiries", "")
    assert (
        by_address["hf:shop/bank-gated"].warns
        == "CC BY-NC forbids commercial use; only for those who agree to its terms"
    )
    kaggle = by_address["kaggle:ann/bank"]
    assert (kaggle.where, kaggle.bytes, kaggle.updated) == ("kaggle", 5, "2026-03-01")
    assert kaggle.warns == "the licence 'Unknown' is not known: read it before this use"
    page = by_address[f"{server.url}/download?id=7"]
    assert (page.title, page.licence, page.rows, page.bytes, page.columns) == (
        "Bank inquiries of 2025",
        "CC0",
        12_000,
        1_500_000,
        ("text", "category"),
    )
    assert page.says == "Questions & answers of customers of a bank."
    assert not [
        each
        for each in server.requests
        if "resolve" in each.path or "Download" in each.path or each.path == "/download"
    ]


def test_what_fits_the_words_best_comes_first(server):
    found = search("bank inquiries", site=[f"{server.url}/catalogue"])
    assert found.candidates[0].address == "hf:shop/bank-inquiries"
    assert [each.score for each in found.candidates] == sorted((each.score for each in found.candidates), reverse=True)
    assert search("nothing like this", site=[f"{server.url}/catalogue"]).candidates == ()


def test_a_place_that_does_not_answer_is_said_and_the_others_are_shown(server):
    refuse = {"/api/datasets": (403, {}, {"error": "no"})}
    server.before = lambda request: server.script.append(refuse[request.path]) if request.path in refuse else None
    found = search("bank", site=[f"{server.url}/catalogue", f"{server.url}/none"])
    assert {each.where for each in found.candidates} == {"kaggle", f"{server.url}/catalogue"}
    assert [sentence.partition(" did not answer")[0] for sentence in found.says] == ["the Hub", f"{server.url}/none"]


@pytest.mark.slow
def test_without_a_network_each_place_is_said_in_plain_words(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    close_session()
    found = search("bank")
    assert found.says == (
        "the Hub did not answer: cannot reach 127.0.0.1",
        "Kaggle did not answer: cannot reach kaggle.com",
    )


def test_only_the_places_that_are_asked_for_are_asked(server):
    search("bank", site=[f"{server.url}/catalogue"], place=["pages"])
    assert [request.path for request in server.requests] == ["/catalogue"]


def test_the_library_s_options_are_those_of_the_command(server):
    """By their names, by what they are where none is given, and one of several may stand alone."""
    options = {each.name: each.default for each in main.commands["search"].params if each.name != "as_json"}
    named = inspect.signature(search).parameters
    assert set(options) == set(named)
    assert named["limit"].default == options["limit"]
    alone = search("bank", site=f"{server.url}/catalogue", place="pages", limit=1)
    assert [each.where for each in alone.candidates] == [f"{server.url}/catalogue"]
    assert len(search("bank", limit=1).candidates) == 1
    with pytest.raises(RecipeError, match="unknown place 'kagle'"):
        search("bank", place=["kagle"])


# --- pages


def test_records_are_found_however_a_page_nests_or_breaks_them():
    page = f"""<script type='application/ld+json; charset=utf-8'>[{json.dumps(RECORD)}]</script>
    <script type="application/ld+json">{{"@type": "DataCatalog", "dataset": [{{"@type": ["Dataset"], "name": "B"}}]}}</script>
    <script type="application/ld+json">{{"@type": "http://schema.org/Dataset", "name": "C\nwith a line end"}}</script>
    <script type="application/ld+json">{{not json</script><script>{{"@type": "Dataset", "name": "no"}}</script>
    <script type="application/ld+json"><!-- {{"@type": "Dataset", "name": "D"}} --></script>"""
    found = [each["name"] for each in pages.of_page(page, "https://a.org/x")]
    assert found[:3] == ["Bank inquiries of 2025", "B", "C with a line end"]


def test_records_in_either_notation_are_those_of_extruct():
    """The same dataset as JSON-LD and as microdata, and beside it what is none."""
    import extruct

    page = f"""<html><body><script type="application/ld+json">{json.dumps({"@graph": [RECORD, {"@type": "WebSite", "name": "no"}]})}</script>
    <div itemscope itemtype="https://schema.org/DataCatalog"><h1 itemprop="name">All of them</h1>
    <div itemprop="dataset" itemscope itemtype="http://schema.org/Dataset"><b itemprop="name">Bank  calls</b>
    <a itemprop="license" href="https://creativecommons.org/licenses/by/4.0/">free</a><meta itemprop="size" content="300 rows">
    <i itemprop="variableMeasured">text</i><i itemprop="variableMeasured">intent</i>
    <p itemprop="distribution" itemscope itemtype="https://schema.org/DataDownload"><link itemprop="contentUrl" href="/calls.csv">
    <meta itemprop="encodingFormat" content="text/csv"><span itemprop="contentSize">2 kB</span></p></div></div></body></html>"""
    told = extruct.extract(page, base_url="https://a.org/x", syntaxes=["json-ld", "microdata"], uniform=True)
    ours = pages.of_page(page, "https://a.org/x")
    named = [each["name"] for each in told["json-ld"][0]["@graph"] if each["@type"] == "Dataset"]
    named.append(" ".join(told["microdata"][0]["dataset"]["name"].split()))
    assert [each["name"] for each in ours] == named
    assert ours[1] == {
        "name": "Bank calls",
        "description": "",
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "files": [{"address": "https://a.org/calls.csv", "format": "text/csv", "bytes": 2000}],
        "columns": ["text", "intent"],
        "rows": 300,
        "updated": "",
        "url": "https://a.org/x",
    }


def test_a_record_that_holds_itself_or_names_no_address_is_read():
    page = """{"@type": "Dataset", "@id": "#a", "name": "A", "license": {"@id": "#a"}, "url": "http://[",
    "distribution": {"contentUrl": "https://[/a.csv"}}"""
    (found,) = pages.of_page(page, "https://a.org/")
    assert (found["name"], found["licence"], found["files"], found["url"]) == ("A", "A", [], "https://a.org/")


def test_pages_need_a_package_more_and_the_other_places_do_not(server, monkeypatch):
    code = "import sys, tuneset.fetch.search; print('lxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    monkeypatch.setitem(sys.modules, "lxml", None)
    assert len(search("bank").candidates) == 3
    with pytest.raises(TunesetError, match="pip install 'tuneset\\[scrape\\]'"):
        search("bank", site=[f"{server.url}/catalogue"])


def test_only_web_addresses_of_files_are_kept():
    record = {
        "@type": "Dataset",
        "name": "A",
        "distribution": [{"contentUrl": each} for each in ("file:///etc/passwd", "javascript:x", "//b.org/a.csv")],
    }
    page = json.dumps(record)
    assert [file["address"] for file in pages.of_page(page, "https://a.org/")[0]["files"]] == ["https://b.org/a.csv"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*RECORD, "contentUrl", "contentSize", "name"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_record_breaks_the_reader(value):
    record = {
        **(value if isinstance(value, dict) else {"size": value, "license": value, "distribution": value}),
        "@type": "Dataset",
        "name": "x",
    }
    (found,) = pages.of_page(json.dumps(record), "https://a.org/")
    assert isinstance(found["rows"], int)


@given(st.text())
def test_no_page_breaks_the_reader(text):
    pages.of_page(text, "https://a.org/")
    pages.of_page(f'<script type="application/ld+json">{text}', "https://a.org/")


# --- licences

FINE = [
    "cc0-1.0",
    "CC0: Public Domain",
    "cc-by-4.0",
    "Attribution 4.0 International (CC BY 4.0)",
    "apache-2.0",
    "mit",
    "MIT License",
    "odc-by",
    "pddl",
    "bsd-3-clause",
]
FINE += [
    "https://creativecommons.org/licenses/by/4.0/",
    "https://spdx.org/licenses/Apache-2.0.html",
    "U.S. Government Works",
    "cdla-permissive-2.0",
    "unlicense",
]
ALIKE = [
    "cc-by-sa-4.0",
    "CC BY-SA 3.0",
    "odbl",
    "Database: Open Database, Contents: Database Contents",
    "gpl-3.0",
    "GNU Lesser General Public License 3.0",
    "CDLA-Sharing-1.0",
]
NOT_SOLD = [
    "cc-by-nc-4.0",
    "CC BY-NC-SA 4.0",
    "cc-by-nc-nd-3.0",
    "Attribution-NonCommercial 4.0 International (CC BY-NC 4.0)",
    "https://creativecommons.org/licenses/by-nc-sa/4.0/",
]
NOT_SOLD += [
    "Research only",
    "for academic use only",
    "Non-commercial research only",
    "Creative Commons Attribution-Noncommercial",
    "apple-amlr",
    "MIT (non-commercial)",
]
UNKNOWN = [
    "other",
    "unknown",
    "Other (specified in description)",
    "Data files © Original Authors",
    "Reddit API Terms",
    "World Bank Dataset Terms of Use",
    "cc",
    "MIT Media Lab terms",
    "my own",
    "by",
    "Apache-like",
    "Database: Open Database, Contents: © Original Authors",
]


@pytest.mark.parametrize("licence", [*FINE, *ALIKE])
def test_a_free_licence_allows_every_use(licence):
    assert [forbids(licence, use) for use in USES] == [None, None, None]


@pytest.mark.parametrize("licence", ALIKE)
def test_a_share_alike_licence_says_its_duty(licence):
    assert "same licence" in duty(licence)


@pytest.mark.parametrize("licence", NOT_SOLD)
def test_a_licence_against_commercial_use_is_told_in_each_way_to_write_it(licence):
    assert "forbids commercial use" in forbids(licence, "commercial")
    assert forbids(licence, "training") is None


@pytest.mark.parametrize(
    "licence", ["cc-by-nd-4.0", "CC BY-NC-ND 4.0", "https://creativecommons.org/licenses/by-nd/4.0/"]
)
def test_a_licence_without_derivatives_forbids_sharing_what_was_prepared(licence):
    assert "forbids sharing a changed version" in forbids(licence, "sharing")


@pytest.mark.parametrize("licence", ["openrail", "bigscience-openrail-m", "creativeml-openrail-m"])
def test_a_responsible_ai_licence_allows_and_says_its_rules(licence):
    assert forbids(licence, "commercial") is None
    assert "forbidden uses" in duty(licence)


@pytest.mark.parametrize("licence", UNKNOWN)
def test_a_licence_that_is_not_known_is_never_taken_for_allowed(licence):
    assert terms(licence) is None
    assert all("not known" in forbids(licence, use) for use in USES)


@pytest.mark.parametrize("licence", ["", "  "])
def test_no_licence_allows_nothing(licence):
    assert all("no licence is given" in forbids(licence, use) for use in USES)


@pytest.mark.parametrize("licence", ["All rights reserved", "no AI training", "No machine learning or text mining"])
def test_a_licence_against_machine_learning_is_told(licence):
    assert "forbids training a model" in forbids(licence, "training")


@given(st.sampled_from(["nc", "NonCommercial", "non-commercial", "non commercial"]), st.sampled_from(FINE))
def test_a_word_against_commercial_use_beside_a_free_licence_counts(word, licence):
    assert forbids(f"{licence}, {word} use only", "commercial") is not None


if os.environ.get("TUNESET_REAL_SERVICES") == "1":

    def test_the_real_places_find_banking77():
        found = search("banking77", site=["https://www.kaggle.com/datasets/uciml/iris"])
        assert any("banking77" in each.address.lower() for each in found.candidates), found.says
