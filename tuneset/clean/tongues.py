"""What tells languages apart beside a model: their function words, their scripts, and their names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

# Function words of the seven languages in which the model is least sure of short texts. A word of several languages
# stands in each of them and counts less. Spellings without accents are how people type.
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": """the and is are was my your you i it of to in for on with that this have has do does did not can't don't what
              how when where why who which would could should will please be been at from by an or if there any me we they
              i'm it's am but can""",
        "de": """der die das und ist sind war ich mein meine meinen meiner sie es nicht ein eine einen einem einer zu mit für
              fuer auf den dem des von im am an wie was wann wo warum wer bitte kann können koennen habe haben hat wird will
              werden wurde mir mich auch noch oder wenn sich nach bei aus als dass ihr ihre ihren immer kein keine""",
        "fr": """le la les et est sont je mon ma mes vous il elle ne pas un une des du de en pour sur avec ce cette que qui quel
              quelle quand où pourquoi comment ai avez votre vos nous au aux dans se sa son par plus être suis peut puis été on
              mais l' d' j' c' n' qu' s' y""",
        "es": """el la los las y es son mi mis su sus no un una de del en para con por que qué cómo como cuándo cuando dónde donde
              quién cuál se lo me al está están estan ha han he has hay pero más mas muy puedo quiero usted ustedes esta este
              sin ser debe""",
        "pt": """o a os as e é são meu minha meus minhas não nao um uma de do da dos das em no na para com por que quê como quando
              onde quem qual se eu está estão foi ser tem mais muito você vocês seu sua posso quero ao à pelo pela isso este
              esta sem deve nos""",
        "it": """il lo la i gli le e è sono mio mia miei mie non un una di del della dei delle in nel nella per con che chi come
              quando dove perché perche cosa quale si mi ho hai ha al alla da dal dalla più piu sul sulla questo questa posso
              vorrei essere stato anche ci deve l' d' c' dov' un' dell' all' nell' sull' quest'""",
        "nl": """de het een en is zijn was ik mijn je jij jullie u uw niet geen te van voor op met in aan dat die dit deze wat hoe
              wanneer waar waarom wie kan kunnen kunt heb heeft hebben wordt worden er naar bij om ook nog maar als of moet wil
              will we graag mij me""",
    }.items()
}
# What a word says for each language that has it: one, shared among them.
_WEIGHTS: dict[str, dict[str, float]] = {
    word: {code: 1 / len(codes) for code in codes}
    for word in sorted(frozenset().union(*FUNCTION_WORDS.values()))
    if (codes := [code for code, words in FUNCTION_WORDS.items() if word in words])
}

# Scripts that few languages share, so that a word or two are enough to see another language.
SCRIPTS: dict[str, frozenset[str]] = {
    name: frozenset(codes.split())
    for name, codes in {
        "Arabic": "ar fa ur ps ckb ug sd arz azb pnb",
        "Armenian": "hy",
        "Bengali": "bn as",
        "Cyrillic": "ru uk bg sr mk be kk ky mn tg tt ba ce cv os",
        "Devanagari": "hi mr ne sa mai bh",
        "Georgian": "ka xmf",
        "Greek": "el",
        "Han": "zh ja wuu yue",
        "Hangul": "ko",
        "Hebrew": "he yi",
        "Hiragana": "ja",
        "Katakana": "ja",
        "Tamil": "ta",
        "Telugu": "te",
        "Thai": "th",
    }.items()
}

NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "eo": "Esperanto",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "gl": "Galician",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "ko": "Korean",
    "la": "Latin",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "mr": "Marathi",
    "ms": "Malay",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sh": "Serbo-Croatian",
    "sk": "Slovak",
    "sl": "Slovene",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tl": "Tagalog",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
    "is": "Icelandic",
}

# What says nothing about the language around it: code, places for values and tags; then words with a digit, addresses.
_ASIDE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\{\{?[^{}\n]{0,60}\}?\}|<[^<>\n]{0,200}>", re.DOTALL)
_CODE = re.compile(r"[\d_/\\=@]|^www\.")
# Punctuation but the apostrophe. Letters cannot be listed instead: many scripts write vowels as marks.
_BETWEEN = re.compile(
    "[!-&(-/:-@\\[-`{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u060c\u061b\u061f\u06d4\u0964\u2000-\u206f\u20a0-\u20cf\u3000-\u303f\uff00-\uff20]+"
)
# Letters that belong to a script of its own; everything before is Latin or common to all.
BEYOND_LATIN = r"[\x{0370}-\x{1cff}\x{2e80}-\x{a63f}\x{a8e0}-\x{abff}\x{ac00}-\x{d7ff}\x{f900}-\x{faff}]"


def spoken(text: str, most: int = 600) -> list[str]:
    r"""Return the words of a text that can be judged, without addresses, code, ids and numbers; `most` characters of it.

    >>> spoken("My order #A-17 isn\u2019t here, see https://shop.com/x")
    ['My', 'order', "isn't", 'here', 'see']
    """
    told = (
        word
        for word in _ASIDE.sub(" ", text[: 4 * most])[:most].replace("\u2019", "'").split()
        if not _CODE.search(word)
    )
    parts = (part.strip("'") for part in _BETWEEN.sub(" ", " ".join(told)).split())
    return [part for part in parts if part and part[0].isalpha()]


def evidence(words: list[str]) -> dict[str, float]:
    """Count the function words of each language in words in lower case; one that several languages have counts less.

    >>> evidence(["where", "is", "mein", "paket"])
    {'en': 1.5, 'nl': 0.5, 'de': 1.0}
    """
    counted: dict[str, float] = {}
    for part in (*words, *(word[: word.index("'") + 1] for word in words if "'" in word)):
        for code, weight in _WEIGHTS.get(part, {}).items():
            counted[code] = counted.get(code, 0.0) + weight
    return counted


def script_of(words: list[str]) -> str | None:
    """Return the script of `SCRIPTS` that more than half of the letters are in.

    >>> script_of(["где", "мой", "iPhone"]), script_of(["where"])
    (None, None)
    >>> script_of(["我的订单"])
    'Han'
    """
    letters = [letter for word in words for letter in word]
    counts = Counter(script for letter in letters if (script := _script(letter)))
    script, count = next(iter(counts.most_common(1)), ("", 0))
    return script if 2 * count > len(letters) else None


@cache
def _script(letter: str) -> str | None:
    """Return a letter's script, which is the first word of its name in Unicode."""
    first = unicodedata.name(letter, "").partition(" ")[0].title()
    script = "Han" if first == "Cjk" else first
    return script if script in SCRIPTS else None


def name(code: str) -> str:
    """Return a language's English name, or its code where it is not among the common ones.

    >>> name("de"), name("nds")
    ('German', 'nds')
    """
    return NAMES.get(code, code)
