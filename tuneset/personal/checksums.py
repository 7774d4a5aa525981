"""Checksums and birth dates that numbers of people carry: what tells a card or a national id from any other number."""

from __future__ import annotations

from typing import Final

# ISO 13616: the length of an IBAN by its country
IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in [
            "15:NO",
            "16:BE",
            "18:DK,FK,FI,FO,GL,NL,SD",
            "19:MK,SI",
            "20:AT,BA,EE,KZ,LT,LU,MN,XK",
            "21:CH,HR,LI,LV",
            "22:BG,BH,CR,DE,GB,GE,IE,ME,RS,VA",
            "23:AE,GI,IL,IQ,OM,SO,TL",
            "24:AD,CZ,ES,MD,PK,RO,SA,SE,SK,TN,VG",
            "25:LY,PT,ST",
            "26:IS,TR",
            "27:BI,DJ,FR,GR,IT,MC,MR,SM",
            "28:AL,AZ,BY,CY,DO,GT,HN,HU,LB,NI,PL,SV",
            "29:BR,EG,PS,QA,UA",
            "30:JO,KW,MU,YE",
            "31:MT,SC",
            "32:LC",
            "33:RU",
        ]
    )
    for country in countries.split(",")
}

# prefixes and lengths of payment cards by issuer
CARDS: Final = (
    (("34", "37"), (15,)),  # American Express
    (("300", "301", "302", "303", "304", "305", "3095", "36", "38", "39"), (14, 16, 19)),  # Diners Club
    (("1800", "2131"), (15,)),  # JCB, old
    (("35",), (16, 17, 18, 19)),  # JCB
    (("4",), (13, 16, 18, 19)),  # Visa
    (("51", "52", "53", "54", "55"), (16,)),  # Mastercard
    (tuple(map(str, range(2221, 2721))), (16,)),  # Mastercard
    (("6011", "64", "65", "60", "81", "82", "508"), (16,)),  # Discover, RuPay
    (("62",), (16, 17, 18, 19)),  # UnionPay
    (("2200", "2201", "2202", "2203", "2204"), (16, 17, 18, 19)),  # Mir
    (("9792",), (16,)),  # Troy
    (("0604", "50", "56", "57", "58", "59", "61", "63", "66", "67", "68", "69"), tuple(range(12, 20))),  # Maestro
)

_VERHOEFF = [
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
]
_VERHOEFF_TURNS = [
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
]
_LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def luhn(digits: str) -> bool:
    """Check a number by doubling every second digit from the right (Luhn 1960; ISO/IEC 7812).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(each - 9 * (each > 9) for each in doubled) % 10 == 0


def card(digits: str) -> bool:
    """Say whether a number is a payment card's: an issuer's prefix and length, and Luhn's check.

    >>> card("378282246310005"), card("9999999999999995")
    (True, False)
    """
    issued = any(len(digits) in lengths and digits.startswith(prefixes) for prefixes, lengths in CARDS)
    return issued and len(set(digits)) > 1 and luhn(digits)


def iban(value: str) -> bool:
    """Say whether letters and digits are an IBAN: its country's length, and the remainder 1 (ISO 13616, mod 97).

    >>> iban("GB82WEST12345698765432"), iban("GB00WEST12345698765432")
    (True, False)
    """
    if len(value) != IBAN_LENGTHS.get(value[:2]) or not value.isascii() or not "02" <= value[2:4] <= "98":
        return False
    return int("".join(str(int(letter, 36)) for letter in value[4:] + value[:4])) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Check a number with the dihedral group (Verhoeff 1969), as Aadhaar does.

    >>> verhoeff("234123412346"), verhoeff("234123412347")
    (True, False)
    """
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF[check][int(_VERHOEFF_TURNS[place % 8][int(digit)])])
    return check == 0


def iso_11_10(digits: str) -> bool:
    """Check a number by ISO 7064 mod 11,10, as the German Steuer-ID does."""
    product = 10
    for digit in digits[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """Return the sum of the digits times their weights; digits beyond the weights do not count.

    >>> weighted("123", (3, 2))
    7
    """
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def birthday(year: int, month: int, day: int) -> bool:
    """Say whether there is such a day, in a year in which people who live now, or their parents, were born.

    >>> birthday(1985, 2, 29), birthday(85, 2, 29), birthday(1985, 13, 1)
    (True, True, False)
    """
    return 1 <= month <= 12 and 1 <= day <= _LAST_DAYS[month - 1] and (year < 100 or 1880 <= year <= 2030)


def born(digits: str, order: str = "ymd") -> bool:
    """Say whether the first six digits are a birthday; `order` is how year, month and day follow each other.

    >>> born("850229"), born("290285", "dmy"), born("851301")
    (True, True, False)
    """
    parts = {name: int(digits[2 * place : 2 * place + 2]) for place, name in enumerate(order)}
    return birthday(parts["y"], parts["m"], parts["d"])
