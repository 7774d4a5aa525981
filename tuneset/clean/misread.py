# ruff: noqa: RUF001  letters that look alike are what this is about
r"""UTF-8 that was read in another encoding, where ftfy is not sure and a whole line proves it.

ftfy leaves "M├╝ller" (DOS), "S√£o" (Macintosh), "naĂŻve" (Central European)
and Cyrillic letters within Latin words alone. Three things
together make them certain: something in the line that nobody writes, such as a line-drawing sign within a word; every
byte of the line is valid UTF-8 once it is encoded again, which by chance is rare already for two letters; and what comes
out is words: one script to a word, no capital after a small letter.
"""

from __future__ import annotations

import re

# In the order of how often they meet; where two would do, the first does: Latin-2 has most letters of Windows-1250.
CODECS = ("windows-1252", "windows-1250", "iso-8859-2", "windows-1251", "macroman", "cp437", "cp850")

_SMALL = r"[a-zß-öø-ÿ]"
_BEYOND = r"[^\x00-\x7f]"
# What nobody writes, as pairs of a byte that begins a letter in UTF-8 and one that goes on with it; Rust reads them too.
PROOF = (
    rf"[├┬┼][^\x00-\x7f\s─┬┼├]|(?:^|[^─-╬])─[^\x00-\x7f\s─-╬]{_SMALL}|(?:[ðÐ][^\x00-\x7f\s]){{3}}|[ΓÔ][Çéä]{_BEYOND}|≡ƒ|\xad[ƒ]|√[^\x00-\x7f\s]|¬[£∑∫Ωªº©®´±°ø]|‚[ÄÇ]|\uf8ff{_BEYOND}|(?:[–—][^\x00-\x7f\s–—]){{3}}"
    rf"|{_SMALL}[ĂÄĹ][^\x00-\x7f\s]|[ĂĹ][^\x00-\x7f\s]{_SMALL}|(?:^|[\s(\"])[ÃÄÅ][…†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ¡-¿]{_SMALL}|Â[ŁĽżŹž°]"
    rf"|[A-Za-z][ГВДЕ][^\x00-\x7f\s]|[ГВДЕ][^\x00-\x7f\sА-я][A-Za-z]|ВЈ[0-9]|рџ{_BEYOND}"
)
# What somebody may write: it takes two letters.
HINT = rf"(?:^|[\s(\"])[ÅĹ]\xa0{_SMALL}|[ВД][^\x00-\x7f\sА-я]"
_PROOF, _HINT = re.compile(PROOF), re.compile(HINT)
_WORD = re.compile(r"([ \t]+)")
_MANY = re.compile(rf"{_BEYOND}+")
_STRANGE = re.compile(
    r"[^\x00-\x7f\u00a0-\u017f\u0218-\u021b\u0370-\u03ff\u0400-\u045f\u200b-\u2027\u2030-\u205e\u20a0-\u20bf\u2100-\u214f\u2190-\u21ff\u2600-\u27bf"
    r"\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\ufe0f\ufeff\U0001f000-\U0001faff]"
    r"|[A-Za-z\u00c0-\u017f][\u0370-\u045f]|[\u0370-\u045f][A-Za-z\u00c0-\u017f]"
    rf"|{_SMALL}[À-ÖØ-Þ]|(?<![aeiouyäöüAEIOUYÄÖÜ])ß"
)


def decoded(line: str) -> tuple[str, str] | None:
    """Return a line as it was written, and the encoding in which it was read; None where that is not certain.

    A line with other letters as well is set right word by word.

    >>> decoded("M├╝ller"), decoded("√ 2 ≈ 1.4")
    (('Müller', 'cp437'), None)
    """
    proven = _PROOF.search(line)
    if not proven and not _HINT.search(line):
        return None
    for codec in CODECS:
        text = _again(line, codec)
        if text and (proven or sum(map(len, _MANY.findall(text))) > 1):
            return text, codec
    words = _WORD.split(line) if proven else []
    for place, word in enumerate(words):
        found = decoded(word) if word != line and _PROOF.search(word) else None
        if found:
            codec = found[1]
            words[place] = found[0]
    mended = "".join(words)
    return (mended, codec) if words and mended != line else None


def _again(line: str, codec: str) -> str | None:
    from ftfy.badness import is_bad  # noqa: PLC0415  120 ms that ASCII need not pay

    try:
        text = line.encode(codec).decode("utf-8")
    except UnicodeError:
        return None
    return None if _STRANGE.search(text) or is_bad(text) else text
