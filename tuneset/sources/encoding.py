"""Bytes of a text file to UTF-8: byte-order marks, strict UTF-8, UTF-16 and UTF-32, and older encodings."""

from __future__ import annotations

import codecs
import io
from typing import NamedTuple

# A code point that no text has: it stands before bytes that do not decode, so that their rows can be found and said.
MARK = "\U0010ffff"
_SAMPLE = 1 << 16
_MARKS_OF_ORDER = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_WESTERN = ("cp1252", "cp1250", "cp1254", "cp1257")
_NAMES = {"cp1252": "Windows-1252 (Latin-1)", "utf-8": "UTF-8"}


class Decoded(NamedTuple):
    """A file's text as UTF-8 without a byte-order mark, and how it was written."""

    data: bytes
    encoding: str  # in words: "UTF-8 with a byte-order mark"
    damaged: bool  # some bytes did not decode; `MARK` and the bytes in hexadecimal stand in their place


def decode(raw: bytes) -> Decoded:
    r"""Find out the encoding of a text file and bring it to UTF-8.

    A byte-order mark decides; then strict UTF-8; then the zero bytes of UTF-16 and UTF-32. Where most bytes beyond
    ASCII are good UTF-8 the file is UTF-8 with damaged rows. Anything else is an older encoding, guessed by
    charset-normalizer on the lines that have such bytes. Limits: short texts in two encodings of one alphabet
    (Polish in Windows-1250) look the same to it and are taken for Windows-1252.

    >>> decode("caf\u00e9".encode("utf-16"))[1:]
    ('UTF-16 (little-endian) with a byte-order mark', False)
    >>> decode(b"caf\xe9,drinks\n").encoding
    'Windows-1252 (Latin-1), guessed'
    """
    for mark, encoding in _MARKS_OF_ORDER:
        if raw.startswith(mark):
            return _decoded(raw[len(mark) :], encoding, " with a byte-order mark")
    if wide := _wide(raw[:_SAMPLE]):
        return _decoded(raw, wide, "")
    if is_utf8(raw):
        return Decoded(raw, "UTF-8", damaged=False)
    telling = _telling(raw)
    text, damage = _marked(telling, "utf-8")
    if len(text.encode()) - len(text) > 4 * damage:  # a two-byte character adds 1, a mark 3: good ones outnumber bad
        return _decoded(raw, "utf-8", "")
    return _decoded(raw, _older(telling), ", guessed")


def is_utf8(raw: bytes) -> bool:
    """Say whether the bytes are strict UTF-8, without holding a second copy of them.

    >>> is_utf8("na\u00efve".encode()), is_utf8("na\u00efve".encode("cp1252"))
    (True, False)
    """
    if raw.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(raw)
    try:
        for start in range(0, len(raw), 1 << 24):
            decoder.decode(view[start : start + (1 << 24)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(raw: bytes, encoding: str, how: str) -> Decoded:
    if encoding == "utf-8" and is_utf8(raw):
        return Decoded(raw, f"UTF-8{how}", damaged=False)
    text, damage = _marked(raw, encoding)
    return Decoded(text.encode(errors="replace"), _in_words(encoding) + how, damaged=damage > 0)


def _marked(raw: bytes, encoding: str) -> tuple[str, int]:
    r"""Decode; where that fails, write `MARK` and the bytes as \xe9, and count the places."""
    places = 0

    def mark(error: UnicodeError) -> tuple[str, int]:
        nonlocal places
        if not isinstance(error, UnicodeDecodeError):
            raise error
        places += 1
        return MARK + "".join(f"\\x{byte:02x}" for byte in error.object[error.start : error.end]), error.end

    codecs.register_error("tuneset-mark", mark)
    return raw.decode(encoding, "tuneset-mark"), places


def _wide(sample: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark by where zero bytes stand: ASCII letters and line ends have them."""
    zeros = sample.count(0) / max(1, len(sample))
    if zeros < 0.05 or (zeros < 0.2 and is_utf8(sample)):  # Chinese has few, and is no UTF-8 then; letters have half
        return None
    quarters = [sample[lane::4].count(0) for lane in range(4)]
    full = len(sample) // 4
    if full and min(quarters[2:]) >= full:
        return "utf-32-le"
    if full and min(quarters[:2]) >= full:
        return "utf-32-be"
    even, odd = quarters[0] + quarters[2], quarters[1] + quarters[3]
    if even and odd:  # stray NUL bytes, or no text at all
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _telling(raw: bytes) -> bytes:
    """Take lines that are not ASCII, from the whole file, as far as a sample goes."""
    lines: list[bytes] = []
    size = 0
    for line in io.BytesIO(raw):
        if not line.isascii():
            lines.append(line[:_SAMPLE])
            size += len(lines[-1])
            if size >= _SAMPLE:
                break
    return b"".join(lines)


def _older(telling: bytes) -> str:
    """Guess an encoding from before Unicode by the lines that show it."""
    import charset_normalizer  # noqa: PLC0415  37 ms that UTF-8 need not pay

    high = sum(byte >= 0x80 for byte in telling)
    letters = sum(chr(byte).isalpha() for byte in telling if byte < 0x80)
    # In the alphabets of Western and Central Europe few letters are beyond ASCII (French 11 %, Czech 18 %); there the
    # library ranks Mac and DOS code pages above Windows-1252, so that it is asked about the four Windows ones only.
    western = high < 0.25 * (high + letters)
    found = charset_normalizer.from_bytes(telling, cp_isolation=list(_WESTERN) if western else None)
    best = found.best()
    if best is None:
        return "cp1252"
    level = [name for match in found if match.chaos == best.chaos for name in match.could_be_from_charset]
    return "cp1252" if western and "cp1252" in level else best.encoding


def _in_words(encoding: str) -> str:
    if encoding.startswith("utf-"):
        name = encoding.removesuffix("-le").removesuffix("-be").upper()
        return name + {"le": " (little-endian)", "be": " (big-endian)"}.get(encoding[-2:], "")
    return _NAMES.get(encoding, encoding)
