"""What comes out of a page: its words, in order, and nothing that a reader does not see."""

from __future__ import annotations

import importlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.crawl import posts as posts_module
from tuneset.crawl.posts import posts
from tuneset.crawl.text import decoded, main_text
from tuneset.crawl.tree import parsed, without_hidden
from tuneset.errors import RecipeError

ASKS = "My kettle trips the breaker every morning since we moved. Has anybody seen this before?"
SAYS = "Mine did that too. The element had a crack, and a new one for nine pounds put it right."
ADDS = "Check the socket first, because a loose wire behind the plate does exactly the same thing."
TURNS = (ASKS, SAYS, ADDS)
NAMES = ("copperpot", "annie_k", "Old Tom")
FORUM = "https://kettles.example/forum/viewtopic.php?t=7"
SHOP = "https://kettles.example/shop/kettle"


def page(*blocks, head=""):
    menu = "<nav><a href=/>Home</a> <a href=/new>New posts</a></nav>"
    foot = "<footer>Terms and cookies <a href=/rss>Feed</a></footer>"
    body = "".join(blocks)
    return f"<html lang=en><head><title>Kettle trips | Kettles</title>{head}</head><body>{menu}<h1>Kettle trips</h1>{body}{foot}</body></html>"


def thread(shape):
    return page(
        *(shape.format(n=n, who=who, text=text) for n, (who, text) in enumerate(zip(NAMES, TURNS, strict=True), 101))
    )


# The shape of each software's own template: who, when, the words, and what stands around them.
SHAPES = {
    "bbPress": "<div id=post-{n} class=bbp-reply-header>3 May 2024 at 10:02</div><div class='reply post-{n}'><div class=bbp-reply-author>{who}</div><div class=bbp-reply-content><p>{text}</p></div></div>",
    "Discourse": "<article id=post_{n}><div class='names trigger-user-card'><a>{who}</a></div><div class=cooked><p>{text}</p></div><button>Reply</button></article>",
    "Discuz": "<table id=pid{n}><tr><td class=pls><a class=xw1>{who}</a></td><td><em>2024-5-3 10:02</em><table><tr><td class=t_f id=postmessage_{n}>{text}</td></tr></table></td></tr></table>",
    "Flarum": "<article class=Post><header><h3>{who}</h3><time>3 May</time></header><div class=Post-body><p>{text}</p></div></article>",
    "FluxBB": "<div id=p{n} class=blockpost><h2><a>2024-05-03</a></h2><dl><dt>{who}</dt></dl><div class=postright><h3>Re</h3><div class=postmsg><p>{text}</p></div></div></div>",
    "Gainsight": "<div class=post><div class=username>{who}</div><div class='post__content qa-topic-post-content'><p>{text}</p></div></div>",
    "GitHub": "<div id=issuecomment-{n}><a class=author>{who}</a><div class='comment-body js-comment-body'><p>{text}</p></div></div>",
    "Hacker News": "<table><tr class=athing><td><a class=hnuser>{who}</a> <span class=age>3 hours ago</span><div class=comment><div class=commtext>{text}</div><div class=reply><a>reply</a></div></div></td></tr></table>",
    "Invision 4": "<article id=elComment_{n} class=cPost><aside>{who}</aside><div class=cPost_contentWrap><div data-role=commentContent><p>{text}</p></div></div><div class=ipsSignature>Tea first</div></article>",
    "Khoros": "<div class=lia-message-view><a class=lia-user-name>{who}</a><div class='lia-message-body lia-component'><div class=lia-message-body-content><p>{text}</p></div></div></div>",
    "MyBB": "<div class=post id=post_{n}><div class=post_author>{who}</div><div class=post_content><span class=post_date>3-5-2024</span><div class=post_body id=pid_{n}>{text}</div><div class=signature>Tea first</div></div></div>",
    "NodeBB": "<li component=post><a component=post/header>{who}</a><div class='content' component=post/content><p>{text}</p></div></li>",
    "phpBB 3": "<div id=p{n} class='post bg1'><dl class=postprofile><dt>{who}</dt></dl><div class=postbody><h3>Re: Kettle</h3><p class=author>by {who} 3 May</p><div class=content>{text}</div><div class=signature>Tea first</div></div></div>",
    "phpBB 2": "<table><tr><td><span class=name>{who}</span></td><td><span class=postdetails>Posted 3 May</span></td></tr><tr><td><span class=postbody>{text}</span></td></tr></table>",
    "Simple Machines": "<div class=windowbg><div class=poster><h4>{who}</h4></div><div class=postarea><h5>Reply #{n}</h5><div class=post><div class=inner id=msg_{n}>{text}</div></div></div><div class=signature>Tea first</div></div>",
    "Stack Exchange": "<div id=answer-{n} class=answer><div class=js-vote-count>12</div><div class='s-prose js-post-body'><p>{text}</p></div><div class=user-details>{who}</div></div>",
    "Vanilla": "<li class=ItemComment><div class=Author>{who}</div><div class=Item-Body><div class='Message userContent'><p>{text}</p></div></div></li>",
    "vBulletin 4": "<li class=postbit id=post_{n}><div class=username>{who}</div><div id=post_message_{n}><blockquote class=postcontent>{text}</blockquote></div><div class=signature>Tea first</div></li>",
    "vBulletin 5": "<li class=b-post><div class=author>{who}</div><div class='js-post__content-text restore'>{text}</div></li>",
    "wpForo": "<div id=post-{n} class=post-wrap><div class=wpf-left>{who}</div><div class=wpforo-post-content><p>{text}</p></div><div>Posted: 03/05/2024</div></div>",
    "XenForo 1": "<li id=post-{n} class=message><a class=username>{who}</a><blockquote class='messageText ugc'>{text}</blockquote></li>",
    "XenForo 2": "<article class=message><h4 class=message-name>{who}</h4><article class=message-body><div class=bbWrapper>{text}</div></article><aside class=message-signature><div class=bbWrapper>Tea first</div></aside></article>",
}
# Software that is in no list: what the blocks are called, or that they are numbered.
UNLISTED = {
    "names": "<section class=replyBox><b class=poster>{who}</b><div class=replyText>{text}</div><a>Report</a></section>",
    "numbers": "<div class=frm id=pid{n}><div class=hcl>By <a href='user_info.pl?uid={n}'>{who}</a> 10.11.15 11:26</div><div class=ccl>{text}</div></div>",
}


@pytest.mark.parametrize("software", SHAPES)
def test_a_discussion_of_known_software_becomes_its_posts_and_nothing_else(software):
    said = main_text(thread(SHAPES[software]), FORUM)
    assert said.text == "\n\n".join(TURNS)
    assert said.kind == "discussion"
    assert said.extractor.endswith(software)


@pytest.mark.parametrize("known_by", UNLISTED)
def test_a_discussion_of_unknown_software_becomes_its_posts(known_by):
    said = main_text(thread(UNLISTED[known_by]), FORUM)
    assert said.text == "\n\n".join(TURNS)
    assert said.extractor.endswith(known_by)


@pytest.mark.parametrize("software", sorted(SHAPES.keys() - {"Discourse", "Flarum", "phpBB 2"}))
def test_most_software_would_be_read_without_its_line_in_the_table(software, monkeypatch):
    monkeypatch.setattr(posts_module, "ENGINES", {})
    found = main_text(thread(SHAPES[software]), FORUM).text
    assert all(turn in found for turn in TURNS)


@pytest.mark.parametrize("known_by", UNLISTED)
def test_blocks_count_as_posts_only_where_the_page_speaks_of_a_discussion(known_by):
    tree = parsed(thread(UNLISTED[known_by]))
    assert posts(tree, expected=False) is None
    assert posts(tree, expected=True).texts == TURNS


def test_every_software_in_the_table_has_its_shape_here():
    assert posts_module.ENGINES.keys() - SHAPES.keys() == {
        "Disqus",
        "Invision 5",
        "Question2Answer",
        "Reddit",
        "UBB.threads",
    }


def test_an_opening_post_that_is_marked_up_unlike_its_answers_comes_first():
    first = f"<div class=thread_op><div class=who>copperpot <time>3 May</time></div><div class=words>{ASKS}</div></div>"
    rest = "".join(
        f"<div class=answer><i class=author>{who}</i><div class=answer_text>{text}</div></div>"
        for who, text in zip(NAMES[1:], TURNS[1:], strict=True)
    )
    assert posts(parsed(page(first, f"<div>{rest}</div>")), expected=True).texts == TURNS


def test_a_post_shown_twice_and_a_quotation_of_a_post_above_come_once():
    quote = f"<blockquote class=bbCodeBlock--quote><div class=attribution>copperpot said:</div>{ASKS}</blockquote>"
    told = [ASKS, ASKS, quote + SAYS]
    blocks = [f"<div class=bbWrapper>{text}</div>" for text in told]
    assert posts(parsed(page(*blocks)), expected=False).texts == (ASKS, SAYS)


def test_a_quotation_from_elsewhere_stays_and_so_do_short_answers_given_twice():
    away = "<blockquote>The manual says that descaling voids nothing at all.</blockquote>"
    blocks = [f"<div class=bbWrapper>{text}</div>" for text in (ASKS, away + SAYS, "Thanks!", "Thanks!")]
    found = posts(parsed(page(*blocks)), expected=False).texts
    assert "descaling voids nothing" in found[1]
    assert found[2:] == ("Thanks!", "Thanks!")


def test_a_name_that_a_post_mentions_stays():
    first = "<div class=bbWrapper>Maybe <a class=username href=/members/annie.7/>@annie_k</a> knows.</div>"
    assert posts(parsed(page(first)), expected=False).texts == ("Maybe @annie_k knows.",)


PARAGRAPHS = "".join(
    f"<p>Kettle number {n} boils a litre in {n + 2} minutes, which we timed three times on a cold morning with the same water.</p>"
    for n in range(12)
)


def comments():
    return (
        "<ol class=comment-list>"
        + "".join(
            f"<li id=comment-{n} class=comment><b class=author>{who}</b><div class=comment-content><p>{text}</p></div></li>"
            for n, (who, text) in enumerate(zip(NAMES, TURNS, strict=True))
        )
        + "</ol>"
    )


@pytest.mark.parametrize(
    "url", ["https://kettles.example/ten-kettles", "https://kettles.example/community/ten-kettles"]
)
def test_an_article_with_comments_is_an_article_without_them(url):
    said = main_text(
        page(f"<article>{PARAGRAPHS}</article>", comments(), head="<meta property=og:type content=article>"), url
    )
    assert (said.kind, "Kettle number 7" in said.text) == ("article", True)
    assert not any(turn in said.text for turn in TURNS)


def test_the_profile_all_has_the_article_and_its_comments():
    html = page(f"<article>{PARAGRAPHS}</article>", comments(), head="<meta property=og:type content=article>")
    text = main_text(html, SHOP, "all").text
    assert "Kettle number 7" in text
    assert all(turn in text for turn in TURNS)
    assert main_text(html, SHOP, "article").text == main_text(html, SHOP).text


def test_a_list_of_topics_is_not_a_discussion():
    rows = "".join(
        f"<div class=topic id=topic-{n}><div class=topic-content><a href=/t/{n}>Why does kettle {n} whistle in the night</a></div><a class=author>{who}</a> <time>3 May</time></div>"
        for n, who in enumerate(NAMES * 5, 101)
    )
    assert posts(parsed(page(rows)), expected=True) is None


def test_a_thread_that_only_its_records_hold_is_read_from_them():
    record = '{"@type": "DiscussionForumPosting", "text": "%s", "comment": [{"@type": "Comment", "text": "%s"}, {"@type": "Comment", "text": "%s"}]}'
    said = main_text(
        page("<div id=app></div>", head=f"<script type=application/ld+json>{record % TURNS}</script>"), SHOP
    )
    assert said.text == "\n\n".join(TURNS)
    assert said.extractor.endswith("records")


HIDDEN = [
    "<script>var secret = 1</script>",
    "<style>.secret { color: red }</style>",
    "<div style='display:none'>secret</div>",
    "<div hidden>secret words for nobody</div>",
    "<span style='visibility: hidden'>secret</span>",
    "<template>secret</template>",
    "<noscript>secret</noscript>",
    "<!-- secret -->",
    "<textarea>secret</textarea>",
    "<svg><title>secret</title></svg>",
]


@pytest.mark.parametrize("profile", ["all", "article", "auto", "discussion"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_a_reader_does_not_see_never_comes_out(hidden, profile):
    pages = [
        page(f"<article>{hidden}{PARAGRAPHS}<p>Then {hidden}it was tea time for everyone in the house.</p></article>")
    ]
    pages += [page(*(f"<div class=bbWrapper>{text}{hidden}</div>" for text in TURNS)), f"<p>{hidden}{ASKS}</p>"]
    for html in pages:
        text = main_text(html, FORUM, profile).text
        assert "secret" not in text
        assert len(text) > 60


def test_folded_answers_that_a_click_opens_stay():
    folded = "".join(
        f"<div class=faq-item><h3>Question {n}</h3><div class=faq-answer style='display:none'><p>{text}</p></div></div>"
        for n, text in enumerate(TURNS)
    )
    kept = without_hidden(parsed(page(folded, "<div style='display: none'>secret</div>"))).text_content()
    assert all(turn in kept for turn in TURNS)
    assert "secret" not in kept


def test_code_keeps_its_indentation():
    code = "<div class=js-post-body><p>Try this:</p><pre><code>def boil():\n    return 100\n</code></pre></div>"
    assert main_text(page(code, code.replace("100", "99 or so")), SHOP).text.startswith(
        "Try this:\ndef boil():\n    return 100"
    )


@pytest.mark.parametrize(
    ("head", "url", "kind"),
    [
        ("<meta property=og:type content=article>", SHOP, "article"),
        ("<meta property=og:type content=product>", SHOP, "product"),
        ('<script type=application/ld+json>{"@type": "Product", "name": "Kettle"}</script>', SHOP, "product"),
        ('<script type=application/ld+json>{"@type": "BlogPosting"}</script>', SHOP, "article"),
        ("<meta name=generator content='Docusaurus v3'>", SHOP, "documentation"),
        ("", "https://docs.kettles.example/start", "documentation"),
        ('<script type=application/ld+json>{"@type": "QAPage"}</script>', SHOP, "discussion"),
        (
            '<script type=application/ld+json>{"@type": "ItemList", "itemListElement": {"@type": "Product"}}</script>',
            SHOP,
            "other",
        ),
        ("", SHOP, "other"),
    ],
)
def test_the_kind_of_a_page_is_guessed_from_what_it_says_of_itself(head, url, kind):
    assert main_text(page(PARAGRAPHS, head=head), url).kind == kind


def test_title_author_date_and_language_are_those_that_the_page_declares():
    head = '<script type=application/ld+json>{"@type": "Article", "author": {"name": "Ann Kay"}, "datePublished": "2024-05-03T10:02:00Z"}</script>'
    said = main_text(page(PARAGRAPHS, head=head), SHOP)
    assert (said.title, said.author, said.date, said.language) == ("Kettle trips", "Ann Kay", "2024-05-03", "en")
    german = main_text(
        "<html lang=en><p>Der Wasserkocher löst jeden Morgen die Sicherung aus, seit wir umgezogen sind.</p></html>"
    )
    assert german.language == "de"


def test_the_same_page_gives_the_same_text_call_after_call():
    pages = [
        thread(SHAPES["phpBB 3"]),
        page(PARAGRAPHS, comments()),
        page(f"<article>{PARAGRAPHS}{PARAGRAPHS}</article>"),
    ]
    first = [main_text(html, FORUM) for html in pages]
    assert [[main_text(html, FORUM) for html in pages] for _ in range(5)] == [first] * 5
    importlib.import_module("trafilatura.meta").reset_caches()
    assert [main_text(html, FORUM) for html in reversed(pages)] == first[::-1]


def test_an_unknown_profile_is_named():
    with pytest.raises(RecipeError, match="unknown profile 'artcle'"):
        main_text("", profile="artcle")


@pytest.mark.parametrize("html", ["", " ", "<!-- -->", "\x00", "<", "<html></html>"])
def test_an_empty_page_has_no_text(html):
    assert main_text(html).text in {"", "<"}


LINE = "word " * 20
HOSTILE = {
    "100,000 nested divs": "<div>" * 100_000 + LINE + "</div>" * 100_000,
    "100,000 open tags": "<b>" * 100_000 + LINE,
    "100,000 attributes": f"<div {' '.join(f'a{n}=1' for n in range(100_000))}>{LINE}",
    "100,000 classes": f"<div class='{' '.join(f'post-{n}-body' for n in range(100_000))}'>{LINE}",
    "200,000 paragraphs": "<p>a</p>" * 200_000,
    "a name of 240,000 characters": f"<div class='{'comment-' * 30_000}x'>{LINE}</div>" * 3,
    "an id of 200,000 characters": f"<div id='{'post' * 50_000}'>{LINE}</div>" * 3,
    "quotations in quotations": "<div class=bbWrapper>" + "<blockquote>" * 200 + LINE * 1000 + "</blockquote>" * 200,
    "blocks in blocks": ("<div class=comment-body id=c12><time>1</time>" * 120 + LINE * 100 + "</div>" * 120) * 10,
    "8,000 posts": "".join(f"<div id=post-{n} class=post-content><time>x</time>{n} {LINE}</div>" for n in range(8_000)),
    "comments that never end": "<!--" * 500_000,
    "white space": f"<p>{' ' * 3_000_000}x",
    "half of a pair": "\ud800 " + LINE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_costs_seconds_at_the_most(name):
    started = time.process_time()
    assert isinstance(main_text(HOSTILE[name], FORUM).text, str)
    assert time.process_time() - started < 20


@settings(max_examples=80, deadline=None)
@given(
    st.recursive(
        st.text(max_size=8),
        lambda inner: (
            st.builds("<{}>{}</{}>".format, st.sampled_from(["p", "div", "b", "td", "pre", "li"]), inner, st.just("p"))
            | st.builds("{}{}".format, inner, inner)
        ),
    )
)
def test_no_page_is_too_broken(html):
    said = main_text(html, FORUM)
    assert said == main_text(html, FORUM)
    assert len(said.text) <= len(html)


BODY = "<p>für 5 € — naïve</p>"


@pytest.mark.parametrize(
    ("body", "header", "name"),
    [
        (b"\xef\xbb\xbf" + BODY.encode(), "text/html; charset=iso-8859-1", "utf-8"),
        (b"\xff\xfe" + BODY.encode("utf-16-le"), "", "utf-16-le"),
        (BODY.encode("cp1252"), "text/html; charset=iso-8859-1", "cp1252"),
        (BODY.encode(), "text/html; charset=utf-8", "utf-8"),
        (b"<meta charset=windows-1252>" + BODY.encode("cp1252"), "", "cp1252"),
        (b"<meta charset=windows-1252>" + BODY.encode(), "text/html; charset=utf-8", "utf-8"),
        (BODY.encode(), "", "utf-8"),
    ],
)
def test_a_page_is_decoded_by_its_mark_its_header_its_head_and_then_by_guess(body, header, name):
    text, encoding = decoded(body, header)
    assert text.endswith(BODY)
    assert encoding == name


def test_bytes_in_no_encoding_are_still_text():
    assert "\ufffd" in decoded(b"<p>\xff\xfe\xff a", "text/html; charset=utf-8")[0]
