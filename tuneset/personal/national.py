"""National ids: their shapes and checks; the weak ones count only beside a word that names them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from tuneset.personal import checksums, context
from tuneset.personal.checksums import born, luhn, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ITALIAN_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_CONTROL: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_NUMERALS: Final = str.maketrans("LMNPQRSTUV", "0123456789")


class NationalId(NamedTuple):
    """One country's id: how it is written, its check, and a word that must stand before it ("" for none)."""

    name: str
    shape: str
    check: Callable[[str], bool]
    word: str = ""


def _social_security(number: str) -> bool:
    """US SSN (no area 000, 666 or 9xx, no group 00, no serial 0000) or ITIN (9xx and its groups)."""
    area, group, serial = number[:3], int(number[3:5]), number[5:]
    if len(set(number)) == 1:
        return False
    if area[0] == "9":
        return 50 <= group <= 65 or (70 <= group <= 99 and group not in (89, 93))
    return area not in ("000", "666") and group > 0 and serial != "0000"


def _insurance_number(number: str) -> bool:
    """UK NINO: prefixes that were never given out."""
    return number[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _nhs(number: str) -> bool:
    return weighted(number, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0 and number[0] != "0"


def _steuer_id(number: str) -> bool:
    """German Steuer-ID: among the first ten digits one comes twice or three times and all others once at most."""
    counts = sorted((number[:10].count(digit) for digit in set(number[:10])), reverse=True)
    return number[0] != "0" and counts[0] in (2, 3) and counts[1] == 1 and checksums.iso_11_10(number)


def _nir(number: str) -> bool:
    """French NIR: 97 minus the remainder; the departments 2A and 2B of Corsica count as 19 and 18."""
    digits = number.replace("2A", "19").replace("2B", "18")
    return digits.isdigit() and 97 - int(digits[:13]) % 97 == int(digits[13:])


def _dni(number: str) -> bool:
    digits = str("XYZ".index(number[0])) + number[1:-1] if number[0] in "XYZ" else number[:-1]
    return len(set(digits)) > 1 and _CONTROL[int(digits) % 23] == number[-1]


def _codice_fiscale(code: str) -> bool:
    """Italian codice fiscale: odd places by a table, even ones by their value, modulo 26."""
    values = [int(letter) if letter.isdigit() else ord(letter) - 65 for letter in code[:15]]
    total = sum(_ITALIAN_ODD[value] if place % 2 == 0 else value for place, value in enumerate(values))
    day = int(code[9:11].translate(_NUMERALS))
    return chr(65 + total % 26) == code[15] and (1 <= day <= 31 or 41 <= day <= 71)


def _bsn(number: str) -> bool:
    return weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and number != "000000000"


def _belgian(number: str) -> bool:
    """Belgian national number: 97 minus the remainder, with a 2 in front for those born since 2000."""
    digits, check, month = int(number[:9]), int(number[9:]), int(number[2:4]) % 20
    return month <= 12 and int(number[4:6]) <= 31 and check in (97 - digits % 97, 97 - (2_000_000_000 + digits) % 97)


def _cpf(number: str) -> bool:
    if len(set(number)) == 1:
        return False
    checks = (weighted(number[:9], tuple(range(10, 1, -1))), weighted(number[:10], tuple(range(11, 1, -1))))
    return all(total * 10 % 11 % 10 == int(digit) for total, digit in zip(checks, number[9:], strict=True))


def _cnpj(number: str) -> bool:
    """Brazilian CNPJ; since 2026 its first twelve places may be letters, worth their code minus 48."""
    values = [ord(each) - 48 for each in number]
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    for place in (12, 13):
        rest = sum(a * b for a, b in zip(values[:place], weights[13 - place :], strict=True)) % 11
        if values[place] != (0 if rest < 2 else 11 - rest):
            return False
    return len(set(number)) > 1


def _aadhaar(number: str) -> bool:
    return number[0] in "23456789" and number != number[::-1] and checksums.verhoeff(number)


def _pesel(number: str) -> bool:
    month = int(number[2:4]) % 20
    total = weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return checksums.birthday(int(number[:2]), month, int(number[4:6])) and total % 10 == 0


def _personnummer(number: str) -> bool:
    """Swedish personnummer: Luhn over the last ten digits; a day above 60 is a coordination number."""
    digits = number[-10:]
    day = int(digits[4:6])
    return checksums.birthday(int(digits[:2]), int(digits[2:4]), day - 60 if day > 60 else day) and luhn(digits)


def _cpr(number: str) -> bool:
    return born(number, "dmy")  # mod 11 is no longer kept since 2007


def _hetu(number: str) -> bool:
    digits = number[:6] + number[-4:-1]
    return born(number, "dmy") and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == number[-1]


def _norwegian(number: str) -> bool:
    first = weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    day = int(number[:2])
    date = checksums.birthday(int(number[4:6]), int(number[2:4]), day - 40 if day > 40 else day)
    return date and first % 11 == 0 and second % 11 == 0


def _resident_registration(number: str) -> bool:
    """South Korean RRN; its check is no longer kept for numbers given since October 2020, so its date decides."""
    return born(number) and number[6] in "12345678"


def _chinese(number: str) -> bool:
    date = checksums.birthday(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    total = weighted(number[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return date and "10X98765432"[total % 11] == number[17]


def _curp(code: str) -> bool:
    alphabet = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ"
    total = sum(alphabet.index(each) * (18 - place) for place, each in enumerate(code[:17]))
    return born(code[4:10]) and str((10 - total % 10) % 10) == code[17]


def _ahv(number: str) -> bool:
    return weighted(number, (1, 3) * 6 + (1,)) % 10 == 0


def _birth_number(number: str) -> bool:
    """Czech and Slovak birth number: divisible by 11; women's months are 50 higher, some 20 more."""
    month = int(number[2:4]) % 50
    date = checksums.birthday(int(number[:2]), month - 20 if month > 20 else month, int(number[4:6]))
    return date and (int(number) % 11 == 0 or (int(number[:9]) % 11 == 10 and number[9] == "0"))


def _cnp(number: str) -> bool:
    rest = weighted(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return born(number[1:7]) and (1 if rest == 10 else rest) == int(number[12])


def _turkish(number: str) -> bool:
    digits = [int(digit) for digit in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] != 0 and digits[9] == tenth and digits[10] == sum(digits[:10]) % 10


def _south_african(number: str) -> bool:
    return born(number) and number[10] in "01" and luhn(number)


def _rut(number: str) -> bool:
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(number[:-1])))
    return "0K987654321"[total % 11] == number[-1] and len(set(number)) > 1


def _cuit(number: str) -> bool:
    return weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _nric(number: str) -> bool:
    """Singapore NRIC and FIN: weights, an offset for those given since 2000, a letter by the first one."""
    total = weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
    place = total % 11 if number[0] != "M" else 10 - total % 11
    return letters[number[0]][place] == number[8]


def _tfn(number: str) -> bool:
    return weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _nif(number: str) -> bool:
    rest = weighted(number[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return int(number[8]) == (0 if rest < 2 else 11 - rest)


def _any(number: str) -> bool:
    """Take what has no check; the zeros are those of our made-up ones."""
    return not "".join(filter(str.isdigit, number)).startswith("000")


_DIGITS_BEFORE, _DIGITS_AFTER = re.compile(r"\d[ ]$"), re.compile(r"[ ]\d{4}(?!\d)")  # groups of a longer number
_COUNTRY_CODE = re.compile(r"\+\d{1,3}[ -]?$")
_BIRTH = r"\d{2}[01]\d[0-3]\d"
_DATE = r"[0-3]\d[01]\d\d{2}"
_SSN_WORDS = r"ssn|itin|social security|social sec|tax(?:payer)? id|socials?\b"

NATIONAL_IDS: Final = (
    NationalId("US SSN", r"\d{3}-\d{2}-\d{4}|\d{3}[ ]\d{2}[ ]\d{4}|\d{3}\.\d{2}\.\d{4}", _social_security),
    NationalId("US SSN", r"\d{9}|\d{3}[ -]\d{3}[ -]\d{3}", _social_security, _SSN_WORDS),
    NationalId("UK NINO", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?[A-D]", _insurance_number),
    NationalId("UK NINO", r"[A-Z]{2}[ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?[A-D]", _any, r"ni\b|nino|n\.i\.|national insurance"),
    NationalId("UK NHS", r"\d{3}[ -]?\d{3}[ -]?\d{4}", _nhs, r"nhs|patient|health"),
    NationalId("CA SIN", r"\d{3}[ -]?\d{3}[ -]?\d{3}", luhn, r"sin\b|social insurance|nas\b"),
    NationalId("DE Steuer-ID", r"\d{11}|\d{2}[ ]\d{3}[ ]\d{3}[ ]\d{3}", _steuer_id),
    NationalId("FR NIR", r"[12][ ]?\d{2}[ ]?[0-9]\d[ ]?(?:\d{2}|2[AB])[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}", _nir),
    NationalId("ES DNI", r"\d{8}[ -]?[A-HJ-NP-TV-Z]|\d{2}\.\d{3}\.\d{3}[ -]?[A-HJ-NP-TV-Z]", _dni),
    NationalId("ES NIE", r"[XYZ][ -]?\d{7}[ -]?[A-HJ-NP-TV-Z]", _dni),
    NationalId("IT codice fiscale", r"[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPRST][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]", _codice_fiscale),
    NationalId("NL BSN", r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}|\d{3}[. ]\d{3}[. ]\d{3}", _bsn, r"bsn|burgerservice|sofi"),
    NationalId("BE", r"\d{2}[. ]?\d{2}[. ]?\d{2}[- ]?\d{3}[. ]?\d{2}", _belgian),
    NationalId("BR CPF", r"\d{3}\.\d{3}\.\d{3}[-/]\d{2}|\d{11}|\d{9}-\d{2}|\d{3}[ ]\d{3}[ ]\d{3}[ ]\d{2}", _cpf),
    NationalId("BR CNPJ", r"[\dA-Z]{2}\.[\dA-Z]{3}\.[\dA-Z]{3}/[\dA-Z]{4}-\d{2}", _cnpj),
    NationalId("BR CNPJ", r"[\dA-Z]{12}\d{2}", _cnpj, "cnpj"),
    NationalId("IN Aadhaar", r"\d{4}[ ]\d{4}[ ]\d{4}|\d{4}-\d{4}-\d{4}", _aadhaar),
    NationalId("IN Aadhaar", r"\d{12}", _aadhaar, r"aadh?aa?r|uidai|uid\b"),
    NationalId("IN PAN", r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]", _any, r"pan\b|permanent account|income tax"),
    NationalId("PL PESEL", r"\d{11}", _pesel),
    NationalId("SE", rf"(?:19|20)?\d{{2}}[01]\d[0-9]\d[-+]\d{{4}}|(?:19|20){_BIRTH}\d{{4}}", _personnummer),
    NationalId("SE", r"\d{6}[ ]?\d{4}", _personnummer, r"personnummer|person[- ]?nr|personal number|pnr"),
    NationalId("DK CPR", rf"{_DATE}[- ]?\d{{4}}", _cpr, r"cpr|personnummer"),
    NationalId("FI", rf"{_DATE}[-+A-FU-Y]\d{{3}}[0-9A-FHJ-NPR-Y]", _hetu),
    NationalId("NO", r"[0-7]\d[01]\d\d{2}[ ]?\d{5}", _norwegian),
    NationalId("KR", rf"{_BIRTH}-[1-8]\d{{6}}", _resident_registration),
    NationalId("KR", rf"{_BIRTH}[ ]?[1-8]\d{{6}}", _resident_registration, "rrn|resident registration|주민"),
    NationalId("CN", r"[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[\dX]", _chinese),
    NationalId("MX CURP", rf"[A-Z]{{4}}{_BIRTH}[HMX][A-Z]{{2}}[B-DF-HJ-NP-TV-Z]{{3}}[A-Z\d]\d", _curp),
    NationalId("CH AHV", r"756\.\d{4}\.\d{4}\.\d{2}|756[ ]?\d{4}[ ]?\d{4}[ ]?\d{2}", _ahv),
    NationalId("CZ, SK", r"\d{2}[0-8]\d[0-3]\d/\d{4}", _birth_number),
    NationalId("RO CNP", rf"[1-8]{_BIRTH}\d{{6}}", _cnp),
    NationalId("TR", r"[1-9]\d{10}", _turkish),
    NationalId("ZA", rf"{_BIRTH}[ ]?\d{{4}}[ ]?[01]\d\d", _south_african),
    NationalId("CL RUT", r"\d{1,2}\.\d{3}\.\d{3}-[\dK]|\d{7,8}-[\dK]", _rut),
    NationalId("AR CUIT", r"(?:2[0347]|3[034])-\d{8}-\d", _cuit),
    NationalId("SG NRIC", r"[STFGM]\d{7}[A-Z]", _nric),
    NationalId("AU TFN", r"\d{3}[ ]?\d{3}[ ]?\d{3}", _tfn, r"tfn|tax file"),
    NationalId("PT NIF", r"\d{9}|\d{3}[ ]\d{3}[ ]\d{3}", _nif, r"nif\b|contribuinte"),
)  # fmt: skip


def national_ids(text: str) -> Iterator[tuple[int, int]]:
    """Find national ids: where each starts and ends.

    >>> list(national_ids("my SSN is 219-09-9999"))
    [(10, 21)]
    """
    for place in _somewhere().finditer(text):
        start = place.start()
        spans = (_span(text, start, each, shape, word) for each, shape, word in _compiled())
        if span := next(filter(None, spans), None):
            yield span


def _span(
    text: str, start: int, each: NationalId, shape: re.Pattern[str], word: re.Pattern[str] | None
) -> tuple[int, int] | None:
    found = shape.match(text, start)
    if found is None:
        return None
    named = word is not None and word.search(context.before(text, start)) is not None
    is_part = " " in found[0] and (
        _DIGITS_BEFORE.search(text, max(0, start - 2), start) or _DIGITS_AFTER.match(text, found.end())
    )
    is_other = is_part or context.is_thing(text, start) or _is_number_to_call(text, *found.span())
    if not named and (word is not None or is_other):
        return None
    return found.span() if each.check("".join(filter(str.isalnum, found[0])).upper()) else None


def _is_number_to_call(text: str, start: int, end: int) -> bool:
    """Say whether digits without any sign between them stand where a phone number does."""
    said = text[max(0, start - 24) : start]
    called = context.is_called(said) or context.calls_follow(text, end) or _COUNTRY_CODE.search(said)
    return text[start:end].isdigit() and bool(called)


def is_national_id(value: str) -> bool:
    """Say whether a value has the shape and the check of some country's id, whatever the words beside it.

    >>> is_national_id("219-09-9999"), is_national_id("000-09-9999")
    (True, False)
    """
    compact = "".join(filter(str.isalnum, value)).upper()
    return any(shape.fullmatch(value) and each.check(compact) for each, shape, _ in _compiled())


@cache
def _compiled() -> tuple[tuple[NationalId, re.Pattern[str], re.Pattern[str] | None], ...]:
    return tuple(
        (
            each,
            re.compile(rf"(?:{each.shape})(?![^\W_])(?![-./][^\W_])", re.IGNORECASE),
            context.words(each.word) if each.word else None,
        )
        for each in NATIONAL_IDS
    )


@cache
def _somewhere() -> re.Pattern[str]:
    """Return one expression that matches, with no width, wherever some country's shape starts: 40 take 20 times longer."""
    shapes = "|".join(sorted({each.shape for each in NATIONAL_IDS}))
    return re.compile(rf"(?<![^\W_])(?<![^\W_][-./+])(?<![+/])(?=[A-Z0-9])(?=(?:{shapes})(?![^\W_]))", re.IGNORECASE)
