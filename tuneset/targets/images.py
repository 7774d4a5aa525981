"""The images of a conversation: what a target takes of them, read from their own first bytes; nothing is fetched."""

from __future__ import annotations

import math
import re
from binascii import Error, a2b_base64
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.shapes.row import short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.shapes.row import Said
    from tuneset.targets.table import Target

_URL = re.compile(r"([a-z][a-z0-9+.-]{0,19}):", re.IGNORECASE)
_DATA = re.compile(r"data:([^;,]{0,99})((?:;[^;,]{0,99}){0,9}),", re.IGNORECASE)
_IN_S3 = re.compile(r"s3://[\w\-/.]+")  # as Amazon's validator for Nova has it
HEAD = 262_144  # letters of base64 in which a JPEG has said its size: what stands before is a profile and a preview
# OpenAI's tiles, of the models that learn from images: gpt-4o and gpt-4.1.
BASE, PER_TILE, TILE, LONG, SHORT = 85, 170, 512, 2048, 768


class Shown(NamedTuple):
    """An image of a message."""

    message: int  # from 1
    role: Any
    url: str
    owner: str | None  # of the bucket in which it stands, where that is said


def shown(messages: list[Any]) -> list[Shown]:
    """List the images that a conversation shows."""
    contents = [(place, each, each.get("content")) for place, each in enumerate(messages, 1) if isinstance(each, dict)]
    return [
        Shown(place, message.get("role"), image["url"], image.get("bucketOwner"))
        for place, message, content in contents
        if isinstance(content, list)
        for part in content
        if (image := _image(part)) is not None
    ]


def _image(part: Any) -> dict[str, Any] | None:
    image = part.get("image_url") if isinstance(part, dict) and part.get("type") == "image_url" else None
    return image if isinstance(image, dict) and isinstance(image.get("url"), str) else None


def problems(messages: list[Any], target: Target) -> Iterator[Said]:
    """Say what is wrong with the images of a conversation for a target.

    Of a data URL the base64, the first bytes and the size are looked at, of another only how it begins. Limits: an image
    is not decoded, so that one which is cut off passes, and so does one that no longer stands behind its URL. A megabyte
    takes 4 ms.

    >>> from tuneset.targets.table import TARGETS
    >>> part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,R0lGODlh"}}
    >>> list(problems([{"role": "user", "content": [part]}], TARGETS["openai"]))
    [('image-of-another-kind', 'message 1 shows an image that is called image/png and begins as image/gif')]
    """
    found = shown(messages)
    for image in found:
        where = f"message {image.message}"
        if not target.images:
            yield "image-not-taken", f"{where} shows an image"
        elif image.role != "user":
            yield "image-not-by-user", f"{where} ({short(image.role)}) shows an image"
        else:
            yield from _problems(where, image, target)
            if messages[image.message - 1].get("weight"):
                yield "image-with-weight", f"{where} shows an image and has a weight"
    if target.images and target.max_images and len(found) > target.max_images:
        yield "too-many-images", f"{len(found)} images, and {target.max_images} are taken"


def _problems(where: str, image: Shown, target: Target) -> Iterator[Said]:
    url = image.url
    begins = _URL.match(url)
    scheme = begins[1].lower() if begins else None
    if target.image_urls and scheme not in target.image_urls:
        how = f"by {scheme}" if scheme else f"by {short(url)}, which is no URL"
        yield "image-not-reachable", f"{where} shows an image {how}; taken are {', '.join(target.image_urls)}"
    elif scheme == "data":
        yield from _inside(where, url, target)
    elif scheme == "s3":
        if "s3" in target.image_urls and not _IN_S3.fullmatch(url):
            yield (
                "image-not-reachable",
                f"{where} shows an image by a name with more than letters, digits, _, -, / and .",
            )
        if not image.owner:
            yield "image-without-owner", f"{where} shows an image in a bucket whose owner is not named"


def _inside(where: str, url: str, target: Target) -> Iterator[Said]:
    """Look into a data URL."""
    head = _DATA.match(url)
    if head is None or not head[2].lower().endswith(";base64"):
        yield "bad-image", f"{where} shows an image whose URL is not data:TYPE;base64,..."
        return
    kind, data = head[1], _decoded(url[head.end() :])
    if not data:
        yield "bad-image", f"{where} shows an image {'without a byte' if data is not None else 'that is no base64'}"
        return
    if target.image_kinds and kind.lower() not in target.image_kinds:
        yield "image-kind-not-taken", f"{where} shows an image of the kind {short(kind)}"
    elif (named := kind.lower().replace("/jpg", "/jpeg")) in KINDS and (is_one := _kind(data)) != named:
        begins = f"begins as {is_one}" if is_one else "does not begin as one"
        yield "image-of-another-kind", f"{where} shows an image that is called {named} and {begins}"
    if target.max_image_bytes and len(data) > target.max_image_bytes:
        size = f"{len(data) / 2**20:,.1f} MB, and {target.max_image_bytes / 2**20:,.0f} MB are taken"
        yield "image-too-large", f"{where} shows an image of {size}"


def _decoded(text: str) -> bytes | None:
    """Open base64; None where it is none. Lines may be broken, as in mail."""
    try:
        return a2b_base64(text, strict_mode=True) if text else b""
    except (Error, ValueError):  # ValueError: letters that are not ASCII
        joined = "".join(text.split())
        return _decoded(joined) if joined != text else None


KINDS = {"image/png", "image/jpeg", "image/gif", "image/webp"}


def _kind(data: bytes) -> str | None:
    """Tell an image by its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else None


def tokens(part: dict[str, Any]) -> int:
    """Count the tokens of the image that a part of content shows, by OpenAI's tiles; 0 where it shows none.

    85, and 170 for each tile of 512 pixels unless its `detail` is low. Source: OpenAI, "Images and vision" (gpt-4o,
    gpt-4.1), and for rounding what users were billed: 2,049 x 513 pixels have 8 tiles, 2,050 x 513 have 4, and small
    images are not made larger. An image whose size cannot be read, such as one behind http, counts nothing.

    >>> tokens({"type": "image_url", "image_url": {"url": "https://a.b/c.png", "detail": "low"}})
    85
    """
    image = _image(part)
    if image is None or image.get("detail") == "low":
        return BASE if image else 0
    width, height = size(image["url"]) or (0, 0)
    if not width or not height:
        return 0
    for most, side in ((LONG, max), (SHORT, min)):
        by = min(1, most / side(width, height))
        width, height = max(round(width * by), 1), max(round(height * by), 1)
    return BASE + PER_TILE * math.ceil(width / TILE) * math.ceil(height / TILE)


def size(url: str) -> tuple[int, int] | None:
    """Read the width and height of a PNG, GIF, JPEG or WEBP in a data URL; None where they cannot be told.

    >>> size("data:image/gif;base64,R0lGODlhAQACAAAAACwAAAAAAQABAAAC")
    (1, 2)
    """
    head = _DATA.match(url)
    text = "".join(url[head.end() : head.end() + HEAD].split()) if head else ""
    data = _decoded(text[: len(text) // 4 * 4]) or b""
    kind = _kind(data)
    if kind == "image/png" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if kind == "image/gif" and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    return _of_jpeg(data) if kind == "image/jpeg" else _of_webp(data) if kind == "image/webp" else None


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    """Go from marker to marker up to the frame, which says the size."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        # fill bytes and markers without a length stand alone
        at += 1 if marker == 0xFF else 2 if 0xD0 <= marker <= 0xD9 else 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _of_webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30:
        return None
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        both = int.from_bytes(data[21:25], "little")
        return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None
