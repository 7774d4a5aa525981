"""What a target takes of images: how they are shown, their kinds, sizes and number, and the tokens that they cost."""

import base64
import dataclasses
import json
import random
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokens import model

from tuneset.shapes import SHAPES
from tuneset.targets import TARGETS, counters, images, rules, tokens

law = settings(deadline=None, max_examples=200)
# Targets that take images in data URLs, one for each shape that has them.
INLINE = ["openai", "together", "gemini", "anthropic", "openai-dpo"]
NEW = {rule for rule in rules.RULES if "image" in rule}


def png(width=1, height=1, size=33):
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return head.ljust(size, b"\0")


def gif(width=1, height=1):
    return b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0" * 9


def jpeg(width=1, height=1, before=b"\xff\xe0\x00\x10" + b"J" * 14):
    frame = b"\xff\xc2\x00\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + before + frame + b"\0" * 9


def webp(kind, width, height):
    sizes = {
        b"VP8X": b"\0" * 8 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
        b"VP8L": b"\0" * 4 + b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little") + b"\0" * 5,
        b"VP8 ": b"\0" * 7 + b"\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little"),
    }
    return b"RIFF\0\0\0\0WEBP" + kind + sizes[kind]


def url(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def row(*urls, **of_message):
    parts = [
        {"type": "image_url", "image_url": {"url": each} | ({"bucketOwner": "1"} if "s3:" in each else {})}
        for each in urls
    ]
    asked = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]} | of_message
    return {"messages": [asked, {"role": "assistant", "content": "A cat."}]}


def said(made, target):
    """What the rules for images say of a row when it is written as a target has it."""
    if "rejected" in target.keys:
        made = made | {"rejected": [{"role": "assistant", "content": "no"}]}
    raw = json.loads(json.dumps(SHAPES[target.shape].write(made, target)))
    return [(rule, words) for rule, words in rules.problems(raw, target) if rule in NEW]


@pytest.mark.parametrize("name", INLINE)
def test_an_image_that_is_what_it_is_called_is_left_alone(name):
    assert said(row(url(png()), url(jpeg(), "image/jpeg"), url(webp(b"VP8X", 9, 9), "image/webp")), TARGETS[name]) == []


@pytest.mark.parametrize("name", INLINE)
def test_an_image_that_begins_as_another_kind_is_a_warning(name):
    ((rule, words),) = said(row(url(jpeg(), "image/png")), TARGETS[name])
    assert rule == "image-of-another-kind"
    assert words == "message 1 shows an image that is called image/png and begins as image/jpeg"
    ((_, words),) = said(row(url(b"<html>", "image/png")), TARGETS[name])
    assert words.endswith("and does not begin as one")
    assert rules.severity(rule, TARGETS[name]) == "warning"


@pytest.mark.parametrize("name", ["openai", "together", "gemini"])
@pytest.mark.parametrize(
    "broken", ["data:image/png;base64,", "data:image/png;base64,iVB", "data:image/png;base64,é%%%"]
)
def test_an_image_without_its_bytes_is_refused(name, broken):
    assert [rule for rule, _ in said(row(broken), TARGETS[name])] == ["bad-image"]


def test_an_image_that_is_no_base64_is_refused():
    for broken in ("data:image/png,abc", "data:,abc", "data:image/png;base64"):
        assert [rule for rule, _ in said(row(broken), TARGETS["openai"])] == ["bad-image"]


@pytest.mark.parametrize("name", INLINE)
def test_base64_in_lines_is_read(name):
    folded = "\r\n".join(base64.encodebytes(png(size=400)).decode().splitlines())
    assert said(row("data:image/png;base64," + folded), TARGETS[name]) == []


def test_a_kind_is_refused_where_the_target_says_what_it_takes():
    def refused(name, kind, data):
        return [rule for rule, _ in said(row(url(data, kind)), TARGETS[name])] == ["image-kind-not-taken"]

    assert refused("openai", "image/gif", gif())
    assert refused("azure", "application/pdf", b"%PDF")
    assert refused("together", "image/jpg", jpeg())  # the name must be image/jpeg there
    assert refused("fireworks", "image/webp", webp(b"VP8X", 9, 9))
    assert refused("anthropic", "image/bmp", b"BM")
    assert not refused("fireworks", "image/jpg", jpeg())
    assert not refused("anthropic", "image/gif", gif())
    assert not refused("gemini", "video/mp4", b"mp4")


@pytest.mark.parametrize(("name", "most"), [("openai", 10), ("azure", 10), ("together", 10), ("gemini", 20)])
def test_an_image_may_have_as_many_bytes_as_the_target_takes(name, most):
    assert said(row(url(png(size=most * 2**20 - 1))), TARGETS[name]) == []  # Together takes less than 10 MB
    ((rule, words),) = said(row(url(png(size=most * 2**20 + 200_000))), TARGETS[name])
    assert (rule, words) == (
        "image-too-large",
        f"message 1 shows an image of {most}.2 MB, and {most} MB are taken",
    )


@pytest.mark.parametrize(
    ("name", "most", "shown"),
    [
        ("openai", 10, url(png())),
        ("together", 10, url(png())),
        ("azure", 64, "https://a.b/c.png"),
        ("gemini", 30, "gs://a/c.png"),
        ("bedrock-nova", 10, "s3://a/c.png"),
    ],
)
def test_an_example_may_show_as_many_images_as_the_target_takes(name, most, shown):
    assert said(row(*[shown] * most), TARGETS[name]) == []
    assert said(row(*[shown] * (most + 1)), TARGETS[name]) == [
        ("too-many-images", f"{most + 1} images, and {most} are taken")
    ]


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("openai", {"https", "http", "data"}),
        ("azure", {"https", "http", "data"}),
        ("together", {"data"}),
        ("fireworks", {"data"}),
        ("gemini", {"gs", "https", "http", "data"}),
        ("bedrock-nova", {"s3"}),
        ("bedrock-llama", {"s3"}),
        ("huggingface", {"https", "http", "data", "gs", "s3", "file", "path"}),
    ],
)
def test_an_image_is_shown_by_a_url_that_the_target_reads(name, taken):
    ways = {scheme: f"{scheme}://a/b.png" for scheme in ("https", "http", "gs", "s3", "file")}
    ways |= {"data": url(png()), "path": "images/b.png"}
    found = {way: [rule for rule, _ in said(row(each), TARGETS[name])] for way, each in ways.items()}
    assert found == {way: [] if way in taken else ["image-not-reachable"] for way in ways}


def test_a_message_with_an_image_has_no_weight_for_together_only():
    shown = row(url(png()), weight=1)
    assert [rule for rule, _ in said(shown, TARGETS["together"])] == ["image-with-weight"]
    assert rules.severity("image-with-weight", TARGETS["together"]) == "error"
    assert {rules.severity("image-with-weight", TARGETS[name]) for name in ("openai", "fireworks", "azure")} == {None}
    assert said(row(url(png()), weight=0), TARGETS["together"]) == []


def test_for_together_every_content_is_a_list_of_parts_where_one_is():
    target = TARGETS["together"]
    mixed = row(url(png()))
    assert "mixed-content" in {rule for rule, _ in rules.problems(mixed, target)}
    made = SHAPES["chat"].write(mixed, target)
    assert made["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}
    assert list(rules.problems(made, target)) == []
    assert SHAPES["chat"].read(made, target) == mixed
    plain = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    assert SHAPES["chat"].write(plain, target) == plain
    assert "mixed-content" not in {rule for rule, _ in rules.problems(mixed, TARGETS["openai"])}


def test_where_no_image_is_taken_nothing_else_is_said_of_it():
    assert [rule for rule, _ in said(row("data:x"), TARGETS["mistral"])] == ["image-not-taken"]
    assert [rule for rule, _ in said(row("data:x", role="system"), TARGETS["openai"])] == ["image-not-by-user"]


def test_nothing_is_fetched(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    assert said(row("https://127.0.0.1:1/a.png"), TARGETS["openai"]) == []
    assert tokens.of_row(row("https://127.0.0.1:1/a.png")) == tokens.of_row(row())


def test_ten_megabytes_are_looked_at_in_a_few_times_their_parsing():
    line = json.dumps(row(url(random.Random(1).randbytes(10_000_000), "image/jpeg")))

    def took(do):
        start = time.process_time()
        do()
        return time.process_time() - start

    raw = json.loads(line)
    assert min(took(lambda: list(rules.problems(raw, TARGETS["openai"]))) for _ in range(3)) < 20 * min(
        took(lambda: json.loads(line)) for _ in range(3)
    )


# Tokens


def counted(data, kind="image/png", **image):
    """Count the tokens of an image alone."""
    made = row(url(data, kind))
    made["messages"][0]["content"][1]["image_url"] |= image
    return tokens.of_row(made) - tokens.of_row(row())


def test_images_have_the_tokens_that_openai_publishes():
    assert counted(png(1024, 1024)) == 765
    assert counted(png(2048, 4096), detail="high") == 1105
    assert counted(png(4096, 8192), detail="low") == 85


def test_images_have_the_tokens_that_users_were_billed():
    # 1,453 and 773 with the 8 of a message; and no small image is made larger
    assert (counted(png(2049, 513)), counted(png(2050, 513))) == (1445, 765)
    assert (counted(png(512, 512)), counted(png(512, 513)), counted(png(1, 1))) == (255, 425, 255)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("image/png", png),
        ("image/gif", gif),
        ("image/jpeg", jpeg),
        ("image/webp", lambda width, height: webp(b"VP8X", width, height)),
        ("image/webp", lambda width, height: webp(b"VP8L", width, height)),
        ("image/webp", lambda width, height: webp(b"VP8 ", width, height)),
    ],
)
@law
@given(width=st.integers(1, 16_383), height=st.integers(1, 16_383))
def test_the_size_stands_in_the_first_bytes(kind, make, width, height):
    assert images.size(url(make(width, height), kind)) == (width, height)


def test_the_size_of_a_jpeg_stands_behind_its_profile_and_preview():
    profile = b"\xff\xe1\xff\xff" + b"\xff" * 65_533
    assert images.size(url(jpeg(640, 480, profile * 2 + b"\xff\xff\xff\xd0"), "image/jpeg")) == (640, 480)
    assert images.size(url(jpeg(640, 480, profile * 4), "image/jpeg")) is None


@law
@given(st.binary(max_size=60), st.sampled_from([b"", png()[:12], jpeg()[:3], gif()[:6], b"RIFF\0\0\0\0WEBPVP8 "]))
def test_whatever_bytes_an_image_has_there_is_a_verdict_and_a_count(data, head):
    made = row(url(head + data))
    assert {rule for rule, _ in said(made, TARGETS["openai"])} <= NEW
    assert tokens.of_row(made) - tokens.of_row(row()) in {0, *(85 + 170 * tiles for tiles in range(1, 9))}


@law
@given(st.text(max_size=40), st.sampled_from(["", "data:", "data:image/png;base64,", "data:;;;;base64,"]))
def test_whatever_stands_for_a_url_there_is_a_verdict(text, head):
    for name in ("openai", "gemini", "anthropic"):
        assert {rule for rule, _ in said(row(head + text), TARGETS[name])} <= NEW


def test_images_count_towards_the_longest_example(tmp_path):
    target = dataclasses.replace(TARGETS["openai"], max_tokens=1_000)
    path = tmp_path / "a.jsonl"
    line = json.dumps(row(*[url(png(1024, 1024))] * 2))
    assert len(line) < target.max_tokens
    path.write_text("\n".join([json.dumps(row(url(png(1024, 1024)))), line]))
    assert rules.check(path, target).filter(rule="too-many-tokens")["line"].to_list() == [2]


def test_images_are_not_counted_for_the_tokenizers_of_others(tmp_path):
    counter = counters.counter(str(model(tmp_path)))
    assert counter(row(url(png(1024, 1024)))) == counter(row())
