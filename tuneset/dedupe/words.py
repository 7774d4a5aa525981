"""Words by what they do to a meaning: numbers, dates, units, negations, persons, opposites, kinds, names, and fillers."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DICTIONARY = "frequency_dictionary_en_82_765.txt"  # in the package symspellpy, the most frequent word first

# Words without which a text still says the same. Words of one language are read in texts of that language only: "a" is
# an article in English and says where to in Spanish.
FILLERS = _words("a an the me my please pls plz kindly thank thanks thx hi hello hey just so ok okay oh um uh some any")
OTHER_FILLERS = _words("""
    der das ein eine einen einem einer eines bitte danke hallo
    le la les l un une merci bonjour salut ne n svp
    el los las una unos unas hola gracias
    os um uma olá obrigado obrigada
    il lo gli uno grazie ciao buongiorno
    het een hoi bedankt alsjeblieft alstublieft
    """)
GERMAN = _words("der die das und ist nicht ich mein meine ein eine zu mit für auf wie wann warum kann")
# The words that tell English from other languages where short words look English ("ma", "sans", "on").
PLAIN_ENGLISH = _words(
    """the is are was my i you your it this that to of and do does did can could will would what how why when where who
    have has not for with from please in on at"""
)
ELSEWHERE = _words(
    """ich mein meine der die das und ist nicht wie wann warum kann zu mit auf für ein eine habe je tu il elle nous vous
    mon ma mes le la les un une des du au aux et est que qui pour avec dans sur sans pas comment mi mis su sus el los las
    una y es de del en por para con qué cómo puedo meu minha os as do da dos das em no na não um uma é lo gli di che non
    sono mio mia della nel è ho ik mijn het een van niet hoe kan voor"""
)

# Contractions that are written without their apostrophe.
WITHOUT_APOSTROPHE = {
    **{
        f"{verb}nt": f"{verb}n't"
        for verb in _words("do does did is are was were ca could would should has have had ai wo")
    },
    **{f"{word}s": f"{word}'s" for word in _words("what where who how that there it")},
    "im": "i'm",
    "ive": "i've",
    "youre": "you're",
    "theyre": "they're",
    "cannot": "can't",
}
MODALS = _words("can could would will")
# How a request may begin; without it the same is asked for.
FRAMES = tuple(
    tuple(_words(word.replace("|", " ")) for word in frame.split())
    for frame in ("can you", "i need|want you to", "i would like you to", "i like you to")
)
# Words for which others stand that say the same: forms of a verb that follow its subject, and the like.
SAME = {
    "am": "is",
    "are": "is",
    "were": "was",
    "has": "have",
    "does": "do",
    "gotten": "got",
    "yeah": "yes",
    "yep": "yes",
    "yeap": "yes",
    "these": "this",
    "those": "that",
}
# Words that end in s and are no plural of what is left without it.
NO_PLURAL = _words("news goods customs means arms glasses series species always times windows does seconds looks")

_NUMBERS = """
0: zero nought
1: one
2: two
3: three
4: four
5: five
6: six
7: seven
8: eight
9: nine
10: ten
11: eleven
12: twelve dozen
13: thirteen
14: fourteen
15: fifteen
16: sixteen
17: seventeen
18: eighteen
19: nineteen
20: twenty
30: thirty
40: forty fourty
50: fifty
60: sixty
70: seventy
80: eighty
90: ninety
100: hundred
1000: thousand
million: million
billion: billion
couple: couple pair
half: half halves
quarter: quarter
twice: twice double
triple: triple thrice
once: once
single: single
1.: first
2.: second
3.: third
4.: fourth
5.: fifth
6.: sixth
7.: seventh
8.: eighth
9.: ninth
10.: tenth
"""
_OTHER_NUMBERS = """
0: null zéro cero nulla nul
1: eins uno
2: zwei zwo deux dos dois duas due twee
3: drei trois tres três tre drie
4: vier quatre cuatro quatro quattro
5: fünf cinq cinco cinque vijf
6: sechs six seis sei zes
7: sieben sept siete sete sette zeven
8: acht huit ocho oito otto
9: neun neuf nueve nove negen
10: zehn dix diez dez dieci tien
11: elf onze once undici
12: zwölf douze doce doze dodici twaalf
13: dreizehn treize trece tredici dertien
14: vierzehn quatorze catorce quattordici veertien
15: fünfzehn quinze quince quindici vijftien
16: sechzehn seize dieciséis dezesseis sedici zestien
17: siebzehn dixsept diecisiete dezessete diciassette zeventien
18: achtzehn dieciocho dezoito diciotto achttien
19: neunzehn diecinueve dezenove diciannove negentien
20: zwanzig vingt veinte vinte venti twintig
30: dreißig trente treinta trinta trenta dertig
40: vierzig quarante cuarenta quarenta quaranta veertig
50: fünfzig cinquante cincuenta cinquenta cinquanta vijftig
60: sechzig soixante sesenta sessenta sessanta zestig
70: siebzig septante setenta settanta zeventig
80: achtzig ochenta oitenta ottanta tachtig
90: neunzig nonante noventa novanta negentig
100: hundert cent cien ciento cem cento honderd
1000: tausend mille mil duizend
half: halb halbe halber halbes hälfte demi demie moitié medio media mitad meio meia metade mezzo mezza metà half helft
twice: doppelt doppelte zweimal double doble dobro doppio dubbel tweemal
triple: dreimal dreifach triplo triple driemaal
once: einmal
1.: erste ersten erster erstes premier première primero primera primer primeiro primeira primo eerste
2.: zweite zweiten zweiter zweites deuxième seconde segundo segunda secondo seconda tweede
3.: dritte dritten dritter drittes troisième tercero tercera tercer terceiro terceira terzo terza derde
"""
_DATES = """
january february march april june july august september october november december monday tuesday wednesday thursday
friday saturday sunday today tomorrow yesterday tonight morning afternoon evening night noon midnight weekend am pm
"""
_OTHER_DATES = """
januar jänner februar märz april mai juni juli august september oktober november dezember
montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag heute morgen gestern
janvier février mars avril juin juillet août septembre octobre novembre décembre
lundi mardi mercredi jeudi vendredi samedi dimanche hui demain hier
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
lunes martes miércoles jueves viernes sábado domingo hoy mañana ayer
janeiro fevereiro março maio junho julho setembro outubro novembro dezembro
quinta sexta terça hoje amanhã ontem
gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
lunedì martedì mercoledì giovedì venerdì sabato domenica oggi domani ieri
januari februari maart mei augustus
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag vandaag gisteren
"""
_UNITS = """
seconds minute hour day week month year dollar euro pound cent penny pence yen rupee franc peso krona yuan ruble lira
usd eur gbp jpy chf inr cad aud kilo kilogram kg gram mile km kilometer kilometre meter metre cm mm inch foot feet yard
liter litre gallon ounce degree celsius fahrenheit percent gb mb tb
"""
_OTHER_UNITS = """
sekunde sekunden minute minuten stunde stunden tag tage tagen woche wochen monat monate monaten jahr jahre jahren
euro euros dollar pfund prozent secondes minutes heure heures jour jours semaine semaines mois an ans année années
dollars livre livres segundos minuto minutos hora horas día días dia dias semana semanas mes meses mês año años ano anos
dólar dólares libra libras secondi minuti ora ore giorno giorni settimana settimane mese mesi anno anni dollaro dollari
minuut uur dag dagen weken maand maanden jaar
"""
_NEGATIONS = "not no never none nothing nobody nowhere neither nor without hardly barely"
_OTHER_NEGATIONS = """
nicht kein keine keinen keinem keiner keines nie niemals ohne nichts niemand weder
pas jamais sans rien aucun aucune ni guère
no nunca jamás sin nada nadie ningún ninguna ninguno tampoco
não nao sem ninguém nenhum nenhuma nem jamais
non mai senza niente nessuno nessuna né
niet geen nooit zonder niets
"""
_PERSONS = """
you: you your yours yourself
he: he him his himself
she: she her hers herself
we: we us our ours ourselves
they: they them their theirs themselves
"""
# Small closed kinds whose members mean other things and are placed side by side by models: rooms, colours, points of the
# compass, relatives. Dates are a kind of their own.
_MEMBERS = """
bedroom: bedroom
living room: living livingroom lounge parlour parlor
dining room: dining diningroom
bathroom: bathroom washroom restroom toilet bath shower
hall: hall hallway corridor
kitchen: kitchen
garage: garage
basement: basement cellar
attic: attic loft
balcony: balcony
terrace: terrace patio porch
garden: garden yard backyard
nursery: nursery
office: office
upstairs: upstairs
downstairs: downstairs
red: red
blue: blue
green: green
yellow: yellow
orange: orange
purple: purple violet
pink: pink
brown: brown
black: black
white: white
gray: gray grey
silver: silver
gold: gold golden
north: north northern
south: south southern
east: east eastern
west: west western
mother: mother mom mum mommy mummy mama
father: father dad daddy papa
brother: brother
sister: sister
son: son
daughter: daughter
husband: husband
wife: wife
uncle: uncle
aunt: aunt auntie
cousin: cousin
nephew: nephew
niece: niece
grandmother: grandmother grandma granny
grandfather: grandfather grandpa
"""
_OTHER_MEMBERS = """
kitchen: küche cuisine cocina cozinha cucina keuken
bedroom: schlafzimmer dormitorio slaapkamer
living room: wohnzimmer salon salón soggiorno woonkamer
bathroom: bad badezimmer baño banheiro bagno badkamer
garden: garten jardin jardín jardim giardino tuin
red: rot rote roten roter rotes rouge rouges rojo roja vermelho vermelha rosso rossa rood rode
blue: blau blaue blauen blauer blaues bleu bleue azul blu blauw blauwe
green: grün grüne grünen grüner grünes vert verte verde groen groene
yellow: gelb gelbe gelben gelber gelbes jaune amarillo amarilla amarelo amarela giallo gialla geel gele
black: schwarz schwarze schwarzen schwarzer schwarzes noir noire negro negra preto preta nero nera zwart zwarte
white: weiß weiße weißen weißer weißes blanc blanche blanco blanca branco branca bianco bianca wit witte
mother: mutter mère madre mãe moeder
father: vater père padre pai vader
brother: bruder frère hermano irmão fratello broer
sister: schwester soeur sœur hermana irmã sorella zus
son: sohn fils hijo filho figlio zoon
daughter: tochter fille hija filha figlia dochter
"""
_OPPOSITES = """
on|off; in|out; from|to; up|down; before|after; with|without; inside|outside; above over|below under; left|right
send|receive; buy|sell; open|close; start begin resume|stop end pause cancel; next|last previous; add|remove delete
deposit top topup|withdraw; lend|borrow; accept approve allow|decline reject deny refuse block; credit|debit
increase raise|decrease lower reduce; give|take; win gain|lose; pass|fail; old|new; high|low; more|less fewer
most|least; max maximum|min minimum; highest|lowest; best|worst; better|worse; cheap|expensive; early|late; all|none
always|never; import|export; upload|download; incoming|outgoing; arrive arrival|leave depart departure; enter|exit
profit income|loss expense; mother mom|father dad; brother|sister; son|daughter; husband|wife; yes|no; true|false
correct right|wrong; love like|hate dislike; happy|sad; good|bad; fast|slow; long|short; big large|small; near|far
public|private; full|empty; hard|easy; safe|dangerous; virtual|physical; domestic|international; personal|business
single|joint; saving|checking; inbound|outbound; sent|received; bought|sold; hot warm|cold; push|pull; mute|unmute
dim|brighten; quieter softer|louder; slower|faster; shorter|longer; show|hide; above|below; front|back
"""
_OTHER_OPPOSITES = """
ein an|aus; vor|nach; von|zu nach; senden schicken|empfangen erhalten bekommen; kaufen|verkaufen; öffnen|schließen
einzahlen|abheben auszahlen; mehr|weniger; neu neue neuen|alt alte alten; envoyer|recevoir; acheter|vendre
ouvrir|fermer; avant|après; plus|moins; déposer|retirer; enviar mandar|recibir receber; comprar|vender; abrir|cerrar
abrir|fechar; antes|después depois; más mais|menos; depositar ingresar|retirar sacar; encender|apagar; ligar|desligar
inviare|ricevere; comprare acquistare|vendere; aprire|chiudere; prima|dopo; più|meno; versare depositare|prelevare
accendere|spegnere; sturen versturen|ontvangen; kopen|verkopen; openen|sluiten; voor|na; meer|minder; aan|uit
storten|opnemen; avec|sans; con|sin; com|sem; con|senza; mit|ohne; met|zonder; de|à; nieuwe|oude
"""
PREFIXES = ("un", "in", "im", "ir", "dis", "non", "de", "mis", "dés", "des", "ont")

# Names that people write without a capital. Not complete, and need not be: between near-duplicates any other word is
# another thing; this list is for texts that are worded differently.
NAMES = _words("""
    visa mastercard amex maestro paypal venmo revolut monzo klarna stripe zelle applepay googlepay iphone ipad ipod
    macbook android samsung galaxy pixel nokia huawei xiaomi sony playstation xbox nintendo google bing yahoo gmail
    outlook hotmail facebook instagram whatsapp telegram twitter tiktok snapchat youtube netflix hulu disney spotify
    pandora alexa siri cortana amazon ebay walmart costco ikea uber lyft airbnb expedia tesla toyota honda bmw audi
    mercedes volkswagen nissan hyundai chevrolet boeing airbus emirates lufthansa ryanair easyjet starbucks mcdonalds
    citibank barclays hsbc natwest santander usaa bitcoin ethereum litecoin dogecoin dell lenovo asus acer intel nvidia
    linux ubuntu macos fedex dhl usps ups
    afghanistan argentina australia austria bangladesh belgium brazil bulgaria canada chile china colombia croatia cuba
    cyprus denmark egypt england ethiopia europe finland france germany ghana greece hungary iceland india indonesia
    iran iraq ireland israel italy jamaica japan kenya korea lebanon malaysia mexico morocco nepal netherlands nigeria
    norway pakistan peru philippines poland portugal romania russia scotland singapore spain sweden switzerland
    taiwan thailand tunisia ukraine usa uk vietnam africa asia america
    amsterdam athens atlanta austin bangkok barcelona beijing berlin boston brussels cairo chicago dallas delhi denver
    detroit dublin florida hamburg houston istanbul lisbon london miami milan moscow mumbai munich nyc orlando oslo
    paris prague rome seattle seoul shanghai stockholm sydney texas tokyo toronto vienna zurich
    """)

KINDS = ("number", "date", "unit", "negation", "person", "member", "name")


def _valued(lines: str) -> dict[str, str]:
    pairs = (line.split(":") for line in lines.strip().splitlines())
    return {word: value for value, words in pairs for word in words.split()}


def _kinds(**kinds: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Map each word to its kind and its value; a word of two kinds has the first."""
    named = {"name": dict(zip(NAMES, NAMES, strict=True))} | dict(reversed(kinds.items()))
    return {word: (kind, value) for kind, values in named.items() for word, value in values.items()}


def _themselves(words: str) -> dict[str, str]:
    return {word: word for word in words.split()}


ENGLISH_KINDS: Mapping[str, tuple[str, str]] = _kinds(
    number=_valued(_NUMBERS),
    negation=dict.fromkeys(_NEGATIONS.split(), "not"),
    date=_themselves(_DATES),
    unit=_themselves(_UNITS),
    person=_valued(_PERSONS),
    member=_valued(_MEMBERS),
)
OTHER_KINDS: Mapping[str, tuple[str, str]] = _kinds(
    number=_valued(_OTHER_NUMBERS),
    negation=dict.fromkeys(_OTHER_NEGATIONS.split(), "not"),
    date=_themselves(_OTHER_DATES),
    unit=_themselves(_OTHER_UNITS),
    member=_valued(_OTHER_MEMBERS),
)

# Words of other languages that end in s and look like an English plural ("sans", "mars").
AS_THEY_ARE = NO_PLURAL | {word for word, (kind, _) in OTHER_KINDS.items() if kind not in ("unit", "name")}


def _poles(text: str) -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    axes = (axis.split("|") for axis in text.replace("\n", ";").split(";") if axis.strip())
    return tuple((frozenset(one.split()), frozenset(other.split())) for one, other in axes)


OPPOSITES = _poles(_OPPOSITES)
LOOSE = 4  # the first ones are words like "to" and "from", of which texts that are worded differently have any
OTHER_OPPOSITES = _poles(_OTHER_OPPOSITES)


@cache
def ranks() -> Mapping[str, int]:
    """Return 82,765 English words, the most frequent being 0; without the word list (symspellpy) nothing is known.

    >>> ranks()["the"], "recieve" in ranks()
    (0, False)
    """
    package = importlib.util.find_spec("symspellpy")  # the package itself takes 0.1 s to import
    if package is None or not package.submodule_search_locations:
        return {}
    lines = Path(package.submodule_search_locations[0], DICTIONARY).read_text("utf-8-sig").splitlines()
    return {line.partition(" ")[0]: rank for rank, line in enumerate(lines)}
