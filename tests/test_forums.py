"""Posts that people take out of forums: Stack Exchange's dumps, Reddit's data request, Discourse's archive."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import re
import time
from xml.sax.saxutils import quoteattr

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tuneset
from tuneset.errors import InputError, RecipeError
from tuneset.sources import Ours, read, stackexchange
from tuneset.sources.rendered import plain

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
DAY = "2020-01-01T00:00:00.000"


def row(**attributes):
    return "  <row " + " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items()) + " />\n"


def question(number, title="How do I soak beans?", body="<p>Overnight, or quicker?</p>", **more):
    return row(
        Id=number, PostTypeId=1, CreationDate=DAY, Score=3, Body=body, Title=title, Tags="|beans|soaking|", **more
    )


def answer(number, parent, body="<p>Overnight.</p>", score=1, **more):
    return row(Id=number, PostTypeId=2, ParentId=parent, CreationDate=DAY, Score=score, Body=body, **more)


def dump(*rows, end="</posts>"):
    return (HEAD + "".join(rows) + end).encode()


def parsed(raw):
    return stackexchange.read("Posts.xml", io.BytesIO(raw))


@pytest.fixture
def saved(tmp_path):
    """Write a file below a folder that names the site, and return its path."""

    def write(content, name="Posts.xml", folder="cooking.stackexchange.com"):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def turns(example):
    return [turn["content"] for turn in json.loads(example["messages"])]


# --- Stack Exchange


def test_a_question_and_its_accepted_answer_become_a_conversation(saved):
    raw = dump(
        question(1, AcceptedAnswerId=3), answer(2, 1, score=90), answer(3, 1, "<p>Use <code>salt</code>.</p>", 5)
    )
    got = read([saved(raw)])
    assert got.task == "chat"
    assert got.examples.height == 1
    first = got.examples.row(0, named=True)
    assert turns(first) == ["How do I soak beans?\n\nOvernight, or quicker?", "Use `salt`."]
    assert first["groups"] == ["thread:1"]
    origin, extra = json.loads(first["origin"]), json.loads(first["extra"])
    assert origin["url"] == "https://cooking.stackexchange.com/a/3"
    assert origin["licence"] == "CC BY-SA 4.0"
    assert (extra["score"], extra["accepted"], extra["tags"]) == ("5", "1", "beans, soaking")
    assert got.said[0] == "Posts.xml: 1 row, Stack Exchange posts, Posts.xml"
    assert "1 of 1 questions have an answer; of 2 answers the best is taken" in got.said[1]
    assert "name the authors; what is made of it must have the same licence when it is shared" in got.said[2]


def test_without_an_accepted_answer_the_one_with_most_votes_is_taken_and_then_the_first():
    cells = parsed(dump(answer(9, 1, "c", 2), question(1), answer(3, 1, "b", 7), answer(2, 1, "a", 7))).cells
    assert turns(cells.row(0, named=True))[1] == "a"
    lost = parsed(dump(question(1, AcceptedAnswerId=77), answer(2, 1, "here")))  # the accepted one is not in the file
    assert turns(lost.cells.row(0, named=True))[1] == "here"


def test_a_question_that_nobody_answered_is_left_out_and_that_is_a_finding(saved):
    got = read([saved(dump(question(1), answer(2, 1), question(3, "Which pan?"), answer(4, 99)))])
    assert got.findings.select("rule", "action").rows() == [("no-answer", "drop")]
    assert got.examples.height == 2


def test_what_the_company_has_planted_is_left_out(saved):
    made = question(1_000_000_001, "How do flying beans soak?"), answer(1_000_000_010, 1_000_000_001)
    got = read([saved(dump(*made, question(1), answer(2, 1), answer(1_000_000_011, 1, "nonsense", 500)))])
    assert got.findings["rule"].to_list() == ["unfit-post"]
    assert [turns(each)[-1] for each in got.examples.iter_rows(named=True)][-1] == "Overnight."


def test_a_file_without_pairs_becomes_texts_of_their_threads(saved):
    got = read([saved(dump(question(1), question(3, "Which pan?"), row(Id=4, PostTypeId=5, Body="a tag")))])
    assert got.task == "plain"
    assert got.examples["text"].to_list() == [
        "How do I soak beans?\n\nOvernight, or quicker?",
        "Which pan?\n\nOvernight, or quicker?",
    ]
    assert got.examples["groups"].to_list() == [["thread:1"], ["thread:3"]]
    assert json.loads(got.examples["origin"][0])["url"] == "https://cooking.stackexchange.com/q/1"


@pytest.mark.parametrize(
    ("more", "licence"),
    [
        ({"ContentLicense": "CC BY-SA 3.0"}, "CC BY-SA 3.0"),
        ({"CreationDate": "2011-04-07T23:59:59.999"}, "CC BY-SA 2.5"),
        ({"CreationDate": "2011-04-08T00:00:00.000"}, "CC BY-SA 3.0"),
        ({"CreationDate": "2018-05-01T23:59:59.999"}, "CC BY-SA 3.0"),
        ({"CreationDate": "2018-05-02T00:00:00.000"}, "CC BY-SA 4.0"),
        ({"CreationDate": "2009-01-01", "LastEditDate": "2019-01-01"}, "CC BY-SA 4.0"),
    ],
)
def test_the_licence_is_the_one_of_the_day(more, licence):
    both = {"PostTypeId": 1, "Body": "b", **more}, {"PostTypeId": 2, "ParentId": 1, "Body": "b", **more}
    cells = parsed(dump(row(Id=1, **both[0]), row(Id=2, **both[1]))).cells
    assert cells["licence"].to_list() == [licence]


def test_question_and_answer_of_two_licences_name_both_and_the_recipe_has_the_last_word(saved):
    path = saved(dump(question(1, ContentLicense="CC BY-SA 3.0"), answer(2, 1, ContentLicense="CC BY-SA 4.0")))
    assert json.loads(read([path]).examples["origin"][0])["licence"] == "CC BY-SA 3.0, CC BY-SA 4.0"
    written = read([path], ours=Ours(about={"licence": "ours"})).examples["origin"][0]
    assert json.loads(written)["licence"] == "ours"
    assert written.count("licence") == 1


def test_the_rows_of_each_licence_are_counted():
    old, new = {"ContentLicense": "CC BY-SA 3.0"}, {"ContentLicense": "CC BY-SA 4.0"}
    pairs = [(old, old), (old, old), (old, new), (new, new)]
    rows = [(question(at, **asked), answer(at + 9, at, **said)) for at, (asked, said) in enumerate(pairs, 1)]
    listed = "licence CC BY-SA 3.0 (2 rows), CC BY-SA 3.0 and CC BY-SA 4.0 (1 row), CC BY-SA 4.0 (1 row): "
    assert any(note.startswith(listed) for note in parsed(dump(*(each for pair in rows for each in pair))).notes)


def test_nothing_tells_who_wrote_a_post(saved):
    who = {
        "OwnerUserId": 4711,
        "OwnerDisplayName": "Ann Example",
        "LastEditorDisplayName": "Bob Example",
        "LastEditorUserId": 4712,
    }
    got = read([saved(dump(question(1, **who), answer(2, 1, **who)))])
    assert re.findall(r"Example|471\d", str(got.examples.rows()) + str(got.said)) == []


def test_the_recipe_says_which_answers_are_good(saved):
    path = saved(dump(question(1), answer(2, 1, score=9), question(3, AcceptedAnswerId=4), answer(4, 3, score=0)))
    for good, kept in (("score >= 5", [1]), ("accepted = true", [3]), ("score >= 0", [1, 3])):
        got = read([path], ours=Ours(good=good))
        left = got.examples.filter(~pl.col("id").is_in(got.findings["example"].implode()))
        assert [int(each[0].removeprefix("thread:")) for each in left["groups"]] == kept
    with pytest.raises(RecipeError, match="there are: score, accepted"):
        read([path], ours=Ours(good="votes >= 1"))


def test_a_dump_is_known_by_its_content_packed_too_and_other_xml_is_named(saved, tmp_path):
    raw = dump(question(1), answer(2, 1))
    for path in (saved(b"\xef\xbb\xbf" + raw, "a.xml"), saved(gzip.compress(raw), "Posts.xml.gz"), saved(raw, "b.csv")):
        assert read([path]).task == "chat"
    for other in (b"<?xml version='1.0'?><users><row Id='1'/></users>", b'<?xml version="1.0"?><rss/>'):
        with pytest.raises(InputError, match=r"not read but for Posts\.xml"):
            read([saved(other, "Users.xml")])


def test_of_a_folder_of_a_dump_only_the_posts_are_read(saved):
    path = saved(dump(question(1), answer(2, 1)))
    saved("<users/>", "Users.xml")
    saved("x,y\n1,2\n", "notes.csv")
    assert read(path.parent).examples.height == 1


def test_a_prepared_dump_ends_with_every_example_accounted_for(saved, tmp_path):
    rows = [
        question(n, f"Question {n} about {'beans' * (n % 7)}?") + answer(n + 1, n, f"<p>Answer {n}, well.</p>")
        for n in range(1, 80, 2)
    ]
    done = tuneset.prepare(saved(dump(*rows, question(201))), out=tmp_path / "run")
    balance = done.summary["balance"]
    assert balance["in"] == 41 == balance["kept"] + balance["dropped"] + balance["merged"]
    assert done.fates().filter(pl.col("rule") == "no-answer").height == 1


POSTS = st.lists(
    st.tuples(
        st.integers(1, 12), st.sampled_from([1, 2, 2, 5]), st.integers(1, 12), st.integers(-3, 3), st.integers(0, 12)
    ),
    max_size=14,
    unique_by=lambda post: post[0],
)


@given(POSTS)
@example([(1, 1, 1, 0, 0)])
def test_each_question_comes_once_with_the_best_of_its_answers(posts):
    asked = {number: chosen for number, kind, _, _, chosen in posts if kind == 1}
    given_ = {number: (parent, score) for number, kind, parent, score, _ in posts if kind == 2}
    expected = {}
    for number, chosen in asked.items():
        own = [each for each, (parent, _) in given_.items() if parent == number]
        expected[number] = (
            chosen if chosen in own else max(own, key=lambda each: (given_[each][1], -each), default=None)
        )
    rows = [
        question(number, f"q{number}", "", AcceptedAnswerId=chosen) if kind == 1
        else answer(number, parent, f"a{number}", score) if kind == 2
        else row(Id=number, PostTypeId=kind, Body="x")
        for number, kind, parent, score, chosen in posts
    ]  # fmt: skip
    cells = parsed(dump(*rows)).cells
    if any(expected.values()):
        found = {int(each["thread"]): [*turns(each), None][:2] for each in cells.iter_rows(named=True)}
        assert found == {number: [f"q{number}", best and f"a{best}"] for number, best in expected.items()}
    else:
        assert cells.height == len(asked) + len(given_)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=4), st.integers(1, 40))
def test_texts_come_through_as_written_however_the_bytes_come_in_pieces(texts, step):
    rows = [question(2 * n, "", f"<p>{html.escape(text)}</p>") for n, text in enumerate(texts, 1)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stackexchange, "_STEP", step)
        found = parsed(dump(*rows)).cells
    assert found["text"].to_list() == [" ".join(re.sub(r"\s+", " ", text).split(" ")).strip() for text in texts]


@given(st.integers(0, 10_000))
def test_a_file_that_is_cut_off_keeps_the_rows_before_and_says_where_it_ends(place):
    rows = [question(n, f"q{n}") + answer(n + 1, n) for n in range(1, 21, 2)]
    raw = dump(*rows)
    cut = raw[: len(HEAD) + place % (len(raw) - len(HEAD) - len("</posts>") + 1)]
    whole = cut.count(b"/>")
    got = parsed(cut)
    assert got.broken.height == 1
    assert "cut off or damaged" in got.broken["why"][0]
    assert got.cells.height == (whole + 1) // 2 or not got.cells.height


# --- hostile XML


class Endless(io.RawIOBase):
    """Ten gigabytes of one attribute, made as they are asked for."""

    def __init__(self, head, size=10 << 30):
        self.left, self.head, self.given = size, head, 0

    def read(self, size=-1):
        piece = self.head or b"x" * min(size, self.left)
        self.left, self.head, self.given = self.left - len(piece), b"", self.given + len(piece)
        return piece


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<?xml version="1.0"?><!DOCTYPE posts [<!ENTITY l0 "ha">{LAUGHS}]><posts><row Id="1" PostTypeId="1" Body="&l9;"/></posts>',
    "external entity": '<?xml version="1.0"?><!DOCTYPE posts [<!ENTITY x SYSTEM "file:///etc/passwd">]><posts><row Id="1" PostTypeId="1" Body="&x;"/></posts>',
    "external document type": '<?xml version="1.0"?><!DOCTYPE posts SYSTEM "http://127.0.0.1:9/x.dtd"><posts/>',
    "parameter entity": '<?xml version="1.0"?><!DOCTYPE posts [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><posts/>',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_entities_and_document_types_are_refused(saved, kind):
    with pytest.raises(InputError, match="declares a document type"):
        parsed(HOSTILE[kind].encode())
    with pytest.raises(InputError, match="this is XML, which is not read"):
        read([saved(HOSTILE[kind])])


def test_an_entity_that_nobody_declared_ends_the_reading_where_it_stands():
    got = parsed(dump(question(1), answer(2, 1)).replace(b"Overnight.", b"&x;"))
    assert got.broken["why"].to_list() == ["the file is cut off or damaged here (undefined entity)"]
    assert got.cells.height == 1


@pytest.mark.parametrize(
    "head",
    [
        b'<posts><row Id="1" PostTypeId="1" Body="',
        b"<posts><!-- ",
        b"<posts><row Id='1' PostTypeId='1' Body='a'/> <",
        b"<posts>",
    ],
)
def test_ten_gigabytes_without_the_end_of_a_row_are_not_read(head):
    stream = Endless(head)
    got = stackexchange.read("Posts.xml", stream)
    assert "more than 32 MB" in got.broken["why"][0]
    assert stream.given < 40 << 20


def test_xml_that_is_nested_without_end_is_refused():
    with pytest.raises(InputError, match="nested without end"):
        parsed(b"<posts>" + b"<a>" * 1_000_000)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_xml_are_broken_rows_or_a_refusal_and_nothing_else(noise):
    for raw in (b"<posts>" + noise, dump(question(1)) + noise, dump(question(1)).replace(b"Overnight", noise)):
        try:
            got = parsed(raw)
        except InputError:
            continue
        assert got.broken.height or got.cells.height == len(re.findall(rb"<row\b", raw))


TAGS = [
    "<pre>",
    "</pre>",
    "<p>",
    "</p>",
    "<li>",
    "</ul>",
    "<ol>",
    "<a href='x'>",
    "</a>",
    "<code>",
    "</code>",
    "a b",
    "\n",
]


@given(st.lists(st.sampled_from(TAGS), max_size=20))
@example(["<code>", "<code>", "<code>"])
@example(["<code>", "</code>", "<code>", "<pre>", "</code>", "a b"])
def test_whatever_is_opened_or_closed_the_words_stay_and_the_fences_of_code_come_in_pairs(parts):
    said = plain("".join(parts))
    assert said.count("a b") == parts.count("a b")
    assert len(re.findall("^```$", said, re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<p>one</p>\n<p>two &lt;b&gt;</p>", "one\n\ntwo <b>"),
        ("<pre><code>a\n\n\n  b\n</code></pre>", "```\na\n\n\n  b\n```"),
        ("<ol><li>a</li><li><p>b</p></li></ol>", "1. a\n2. b"),
        ('see <a href="http://x.org">this</a><br>now', "see [this](http://x.org)\nnow"),
        ("<p>a</p><script>alert(1)</script><style>p{}</style>", "a"),
        ("no tags, 3 < 5", "no tags, 3 < 5"),
    ],
)
def test_a_post_is_written_as_plain_text(written, said):
    assert plain(written) == said


def test_a_post_made_to_keep_the_parser_busy_stays_as_it_is():
    for hostile in ("<!-- " * 200_000, "<a " * 300_000, "<" * 1_000_000):
        begun = time.process_time()
        assert plain(hostile) == hostile.strip()
        assert time.process_time() - begun < 1


# --- Reddit


POST = ["id", "permalink", "date", "ip", "subreddit", "gildings", "title", "url", "body"]
COMMENT = ["id", "permalink", "date", "ip", "subreddit", "gildings", "link", "parent", "body", "media"]
AT, IP = "2026-01-02 10:00:00 UTC", "203.0.113.77"


def table(header, *rows):
    made = io.StringIO()
    csv.writer(made).writerows([header, *rows])
    return made.getvalue()


def of_reddit(saved):
    link = "https://www.reddit.com/r/cooking/comments/p1/beans/"
    saved(
        table(
            POST,
            ["p1", link, AT, IP, "cooking", 0, "How do I soak beans?", "", "Overnight,\nor quicker?"],
            ["p2", "/r/cooking/comments/p2/pan/", AT, IP, "cooking", 0, "Which pan?", "http://x.org", ""],
            ["p3", "/r/cooking/comments/p3/gone/", AT, IP, "cooking", 0, "Gone?", "", "[removed]"],
        ),
        "posts.csv",
        "reddit",
    )
    path = saved(
        table(
            COMMENT,
            ["c1", f"{link}c1/", AT, IP, "cooking", 0, link, "", "Thank you all.", ""],
            ["c2", "/r/tea/comments/p9/x/c2/", AT, IP, "tea", 0, "/r/tea/comments/p9/x/", "", "[deleted]", ""],
        ),
        "comments.csv",
        "reddit",
    )
    for name in ("post_votes.csv", "comment_votes.csv", "ip_logs.csv", "messages.csv"):
        saved(f"id,permalink,direction\nsecret {name},x,up\n", name, "reddit")
    return path.parent


def test_one_s_own_reddit_export_becomes_texts_of_their_threads(saved):
    got = read(of_reddit(saved))
    assert got.task == "plain"
    assert got.examples.select("text", pl.col("groups").list.first()).rows() == [
        ("Thank you all.", "thread:p1"),
        ("", "thread:p9"),
        ("How do I soak beans?\n\nOvernight,\nor quicker?", "thread:p1"),
        ("Which pan?", "thread:p2"),
        ("Gone?", "thread:p3"),
    ]
    assert sorted(got.findings["rule"]) == ["unfit-post", "unfit-post"]
    assert json.loads(got.examples["origin"][0])["url"].startswith("https://www.reddit.com/r/cooking/comments/p1/")
    assert IP not in str(got.examples.rows())
    assert "secret" not in str(got.examples.rows())
    assert any(
        "other files (comment_votes.csv, ip_logs.csv, messages.csv, ...) were not read" in said for said in got.said
    )


@pytest.mark.parametrize("gone", ["posts.csv", "comments.csv", "post_votes.csv"])
def test_of_a_part_of_one_s_own_reddit_export_posts_and_comments_alone_are_read(saved, gone):
    folder = of_reddit(saved)
    (folder / gone).unlink()
    got = read(folder)
    assert got.task == "plain"
    assert got.examples.height == {"posts.csv": 2, "comments.csv": 3}.get(gone, 5)
    assert "secret" not in str(got.examples.rows())


def test_a_folder_with_posts_of_another_kind_is_read_whole(saved):
    saved("text,label\nWhere is it?,track\nRefund!,refund\n", "posts.csv", "own")
    path = saved("text,label\nThanks.,other\n", "replies.csv", "own")
    assert read(path.parent).examples.height == 3


def test_an_address_of_reddit_s_is_not_taken_with_columns_that_the_user_names(saved):
    got = read([of_reddit(saved) / "posts.csv"], text="body", labels=["title"])
    assert IP not in str(got.examples.rows()) + str(got.preview.rows())


def test_a_subreddit_may_be_the_label_and_columns_that_the_user_names_are_taken_as_they_are(saved):
    path = of_reddit(saved) / "posts.csv"
    labelled = read([path], labels=["subreddit"])
    assert labelled.task == "classify"
    assert labelled.examples["label"][0] == '{"subreddit": "cooking"}'
    assert read([path], text="body", labels=["title"]).examples["text"][0] == "Overnight,\nor quicker?"


# --- Discourse


@pytest.mark.parametrize("said", ["post", "post_raw"])
def test_an_archive_of_discourse_becomes_texts_and_private_messages_stay_out(saved, said):
    header = ["topic_title", "categories", "is_pm", said, "like_count", "reply_count", "url", "created_at"]
    rows = [
        ["Soaking beans", "Kitchen", "No", "Overnight.", 3, 1, "https://forum.example.org/t/soaking-beans/17/4", AT],
        ["Soaking beans", "Kitchen", "Nein", "Or quicker.", 0, 0, "https://forum.example.org/t/soaking-beans/17/9", AT],
        ["Hello", "", "Yes", "My address is …", 0, 0, "https://forum.example.org/t/hello/18/1", AT],
        ["Hello", "", "Tak", "My number is …", 0, 0, "https://forum.example.org/t/hello/18/2", AT],
    ]
    got = read([saved(table(header, *rows), "user_archive.csv")])
    assert got.examples["text"].to_list()[:2] == ["Overnight.", "Or quicker."]
    assert got.examples["groups"].to_list()[:2] == [["thread:https://forum.example.org/t/soaking-beans/17"]] * 2
    dropped = got.examples.filter(pl.col("id").is_in(got.findings["example"].implode()))["text"].to_list()
    assert dropped == ["My address is …", "My number is …"]
    assert set(got.findings["rule"]) == {"unfit-post"}
