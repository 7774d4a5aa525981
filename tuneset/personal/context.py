"""The words beside a number: what they say it is, and what they say it is not."""

from __future__ import annotations

import re

WIDTH = 48  # characters before a number that are read; "you can reach me on my work phone number at" has 43

_PLACEHOLDER = re.compile(r"\[[A-Z_]{2,12}\]")

# What stands directly before a number that names no person, in the languages of most shops.
_THINGS = (
    "orders?|order[ _-]?(?:id|no|nr|num)|po|purchase|tracking|track|trace|shipment|shipping|parcel|package|consignment|awb|waybill|delivery|invoice|"
    "receipt|bill|ticket|case|ref|reference|booking|reservation|confirmation|pnr|transaction|txn|trx|payment|transfer|"
    "sku|part|model|serial|s/?n|isbn|issn|ean|upc|gtin|asin|imei|item|product|article|art|batch|lot|barcode|version|ver|build|release|"
    "patent|claim|policy|contract|incident|request|job|task|issue|bug|error|code|voucher|coupon|gift ?card|promo|"
    "hash|commit|sha|uuid|guid|(?<!my )(?<!his )(?<!her )(?<!national )(?<!personal )(?<!identity )(?<!citizen )(?<!tax )id|seq|sequence|port|row|line|page|room|flight|gate|zip|postcode|stock|warehouse|meter|"
    "timestamp|epoch|unix|lat|lon|lng|latitude|longitude|coordinates|score|population|"
    "bestell(?:ung|nummer|nr)?|auftrag(?:s?nummer|snr)?|rechnung(?:s?nummer|snr)?|sendung(?:s?nummer|s?verfolgung)?|artikel(?:nummer|nr)?|kundennummer|"
    "vorgang(?:snummer)?|commande|facture|colis|suivi|pedido|factura|env[ií]o|seguimiento|rastreo|rastreio|encomenda|fatura|nota fiscal|ordine|fattura|spedizione|"
    "bestelling|factuur|zending|zam[oó]wieni[ae]|przesy[lł]k[ai]|faktur[aey]"
)
_TAIL = (
    r"(?:[\s_-]*(?:number|numbers|no|nr|num|nummer|numero|n[uú]mero|num[eé]ro|code|id|key|#|n°|nº|№))*[.:]?"
    r"(?:\s*(?:is|was|are|=|->|ist|est|es|[eé]|:|#|\"|'|\(|\[|`|\*))*\s*$"
)
_THING = re.compile(rf"(?:(?<![^\W_])(?:{_THINGS}){_TAIL})", re.IGNORECASE)
_MACHINE = re.compile(
    r"(?<![^\W_])(?:ips?|ipv4|address|server|host|dns|ping|from|log(?:ged|in|s)?|connect|block|network|proxy|gateway|router|vpn|whitelist|firewall|client|subnet|ssh|port|domain|adresse|dirección)|[=/@\[]\s?$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:(?P<whose>card|cc|visa|amex|phone|cell|mobile|fax|tel|ssn|sin|social|call|acct|account|number|my)[.:]?\s?)?#\s?$",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?:(?<![^\W_])(?:v|ver|version|versions|release|build|firmware|fw|driver|section|chapter|clause|§|update|upgraded? to|ios|android|windows|macos|kernel|chrome|firefox|node|python|java|openssl)[\s._:#-]*(?:is|=|to|from|number|no)?\s*$)|[-/]v$", re.IGNORECASE)  # fmt: skip


def words(*stems: str) -> re.Pattern[str]:
    """Compile words to look for; each may be a regular expression, and none starts inside of a longer word."""
    return re.compile(rf"(?<![^\W\d_])(?:{'|'.join(stems)})", re.IGNORECASE)


_CALLING = words(
    r"phones?\b", r"tel\b|tel[eé]?f|telephone|téléphone|telp?\.", r"call(?!ed (?:it|the))", r"cell", r"mobil", r"fax", r"land ?line", r"hot ?line",
    r"whats?app|wa\.me|viber|telegram|signal\b", r"texts? (?:me|us|him|her|them|you|to|at|on|back)|texted|text:?\s*$", r"sms\b", r"ring(?:ing)? (?:me|us|him|her|them|on|at)|ring:?\s*$",
    r"dial(?:l?ing|l?ed)?:?\s*$|dial (?:the|this|me|us|my)\b", r"reach(?:ed|able|ing)?\b", r"voice ?mail", r"answering", r"contact:?\s*$", r"pick(?:s|ed)? up", r"messages? to", r"contact (?:me|us|him|her|them|number|no\b|nr|tel|info|details)", r"contact:",
    r"(?:my|our|his|her|their|your|new|old|home|work|office|direct|registered|emergency|business) (?:number|no\.?|nr\.?|num|line)\b", r"(?:on|at) (?:the )?number\b",
    r"(?:desk|office|home|work|direct|main|dir|ph|mob|tlf|tfn|hp|m|t|p|f|tf)\s?[.:]+\s*(?:no\.?)?\s*$", r"numéro|numero de contacto|rufnummer|handy|anruf|rückruf|ruf(?:en)? ",
    r"appel|joindre|portable", r"llam|móvil|celular|m[oó]vil|contactar", r"ligar|ligue|telem[oó]vel|contato", r"chiam|cellulare|recapito", r"\bbel(?:len|t)? |nummer",
    r"zadzwo|numer|ring (?:mig|meg)|ringa|puhelin|numero on", r"телефон|тел\b|звон|позвон|номер", r"電話|电话|手机|전화|फ़ोन|फोन|हाتف|هاتف",
)  # fmt: skip


_AFTER = re.compile(
    r"[\s,]{0,2}[-(]?\s?(?:office|fax|mobile|cell|home|work|phone|tel|desk|handy|[mhwo](?=\)))\b"
    r"|,? (?:is|was|are) (?:my|our|his|her|their|the) (?:\w+ )?(?:phone|mobile|cell|number|landline|line|fax|whatsapp)\b"
    r"|,? (?:does|did|do|is|has|keeps?|just|never|nobody)?(?:n['\u2019]t| not| never)? ?(?:answer|respond|pick|call|rang|ring|text|disconnect|unreachable|reachable|busy|engaged)",
    re.IGNORECASE,
)


def before(text: str, start: int, width: int = WIDTH) -> str:
    """Return the words before a place; a placeholder such as [PHONE] is not one of them.

    >>> before("call [PHONE] or 0171", 16)
    'call   or '
    """
    return _PLACEHOLDER.sub(" ", text[max(0, start - width) : start])


def is_thing(text: str, start: int) -> bool:
    """Say whether the words directly before a number name a thing: an order, a parcel, a part.

    >>> is_thing("my order number is 4111", 19), is_thing("my order, card 4111", 15)
    (True, False)
    """
    said = before(text, start)
    numbered = _NUMBERED.search(said)
    return bool(numbered and not numbered["whose"]) or _THING.search(said) is not None


def is_version(text: str, start: int) -> bool:
    """Say whether the words directly before a number tell that it is a version.

    >>> is_version("since version 1.2.3.4", 14), is_version("since 1.2.3.4", 6)
    (True, False)
    """
    return _VERSION.search(before(text, start)) is not None


def is_called(said: str) -> bool:
    """Say whether words speak of calling, writing to a phone, or one's number.

    >>> is_called("you can reach me at "), is_called("it cost me ")
    (True, False)
    """
    return _CALLING.search(said) is not None


def calls_follow(text: str, end: int) -> bool:
    """Say whether the words after a number speak of calling.

    >>> calls_follow("555 0123 is my mobile", 8), calls_follow("555 0123 is late", 8)
    (True, False)
    """
    return _AFTER.match(text, end) is not None


def is_machine(said: str) -> bool:
    """Say whether words speak of machines that have addresses.

    >>> is_machine("blocked my IP "), is_machine("on dotnet ")
    (True, False)
    """
    return _MACHINE.search(said) is not None
