# ruff: noqa: RUF001  people type all kinds of dashes and apostrophes
"""How people open and close mails, and how programs quote and sign them, in seven languages; as regular expressions.

Upper and lower case are the same in all of them. A space stands for any white space within a line.
"""

from __future__ import annotations

import re

_SPACE = re.compile(r"\[[^\]]*\]| \??")  # inside of a class of characters a space is itself


def any_of(phrases: str) -> str:
    """Write phrases, parted by " | " and new lines, as one group of a regular expression.

    >>> bool(re.fullmatch(any_of("guten tag | hi"), "guten  tag"))
    True
    """
    listed = [phrase.strip() for line in phrases.strip().split("\n") for phrase in line.split(" | ")]
    return "(?:" + "|".join(_SPACE.sub(_any_space, phrase) for phrase in listed if phrase) + ")"


def _any_space(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == "[" else r"[ \t]" + ("?" if found[0][-1] == "?" else "+")


# A greeting that stands on its own, and one that needs somebody to be greeted.
GREETING = any_of(
    r"""
    hi | hello | hey | hiya | hi+ | he+y+ | howdy | good (?:morning|afternoon|evening|day) | morning | greetings | g['’]?day | to whom it may concern
    hallo | h[ae]llöchen | (?:einen )?(?:schönen )?guten (?:tag|morgen|abend) | gr(?:ü|ue)(?:ß|ss)e? gott | gr(?:ü|ue)ezi | moin | servus
    bonjour | bonsoir | salut | coucou | re-?bonjour | (?:madame|monsieur|mesdames|messieurs)(?:,? (?:et )?(?:madame|monsieur|mesdames|messieurs))?
    hola | buen(?:os)? d[ií]as? | buenas(?: tardes| noches)? | muy buenas(?: tardes| noches)? | saludos a todos
    ol[áa] | oi | bom dia | boa tarde | boa noite | prezad[oa]s | estimad[oa]s
    ciao | salve | buon ?giorno | buona ?sera | buon pomeriggio
    hoi | dag | goede ?(?:morgen|middag|avond|dag)
    """,
)
ADDRESS = any_of(
    r"""
    dear | sehr geehrte[rs]? | geehrte[rs]? | liebe[rs]? | werte[rs]? | ch[eè]re?s? | estimad[oa](?:\(a\))?s? | apreciad[oa]s? | querid[oa]s?
    distinguid[oa]s? | prezad[oa](?:\(a\))?s? | car[oaie]s? | gentil[ei] | gentilissim[oaie] | egregi[oa]? | spettabile | spett(?:\.le|\.) | beste | geachte
    """,
)
# Whom people greet, other than by name.
GREETED = any_of(
    r"""
    there | all | team | everyone | everybody | guys | folks | again | you | sirs? | madam | ma['’]?am | sir or madam | sir/madam | support | friends? | customer | service | care
    colleagues? | ladies | gentlemen | help ?desk | and | or | the | zusammen | an alle | alle | damen | herren | und | leute | ihr lieben | kundenservice | kundendienst | herr | frau
    nochmals? | wieder | noch ?mal | à tous | à toutes? | tous | tout le monde | l['’]équipe | équipe | service | client | clients | monsieur | madame | mesdames | messieurs | à vous | et | rebonjour
    a todos | a todas | equipo | todos | señores | señoras | señora | señor | señorita | de nuevo | amigos | de | soporte | atención | al | cliente | sres?\. | srs?\.
    equipe | pessoal | a todos | senhores | senhoras | senhor | senhora | gente | suporte | do | sr\.? | sra\.? | tudo bem | tudo bom
    a tutti | a tutte | tutti | team | signori | signora | signore | servizio | clienti | assistenza | dottor | dottoressa | dott\.
    allemaal | heer | heren | mevrouw | meneer | dames | heer/mevrouw | klantenservice | mr\.? | mrs\.? | ms\.? | dr\.? | iedereen | medewerker
    """,
)
# What follows a greeting without a comma: "hi i lost my card", "hola quiero un reembolso".
STARTS = any_of(
    r"""
    i | i['’]?m | i['’]?d | i['’]?ve | i['’]ll | my | we | our | can | could | would | will | what | what['’]?s | when | where | where['’]?s | why | how | who | which | is | are | do | does | did | please | has | have
    ich | mein | meine | meinen | wir | wie | was | wo | wann | warum | wieso | kann | können | könnten | könnte | habe | bitte | ist
    je | j['’]ai | mon | ma | mes | nous | comment | pourquoi | quand | où | est-ce | puis-je | pouvez-vous | pourriez-vous
    yo | mi | mis | quiero | quisiera | necesito | cómo | como | cuándo | dónde | puedo | pueden | puede | no | me | tengo | he | qué | por qué
    eu | meu | minha | quero | queria | gostaria | preciso | não | quando | onde | posso | podem | tenho | comprei
    vorrei | ho | mio | la mia | il mio | dove | potete | può | perché | non
    ik | mijn | hoe | wat | waar | wanneer | kunt | kunnen | heb
    """,
)
# Sentences of courtesy that follow a greeting.
COURTESY = (
    any_of(
        r"""
        (?:i |we )?(?:do )?(?:trust|hope|hoping) (?:that )?(?:this|my) (?:e-?mail|message|mail|note|letter) (?:finds|reaches) you[^.!?,\n]{0,30}
        (?:i |we )?(?:trust|hope) (?:that )?(?:you|all|everything|everyone)(?:['’](?:re|s)| are| is|r)?(?: all| both)?(?: doing| keeping| having)? (?:very )?(?:well|fine|good|okay|ok|great|safe|a (?:great|good|nice|lovely|wonderful) (?:day|week|weekend|morning|one))[^.!?,\n]{0,20}
        (?:i |we )?hope (?:that )?you (?:had|have) a (?:great|good|nice|lovely|wonderful) [a-z]{3,9}
        how are you(?: doing)?(?: today)? | how['’]?s it going
        ich hoffe,? (?:dass )?(?:es geht (?:ihnen|dir|euch)|(?:ihnen|dir|euch) geht es|alles|diese nachricht)[^.!?\n]{0,40} | ich hoffe,? (?:sie|du|ihr) (?:hatten|hattest|hattet|haben|hast)[^.!?\n]{0,40}
        (?:j['’]|nous )esp[eè]r(?:e|ons) que (?:vous|tu|tout|ce|cette)[^.!?\n]{0,50}
        (?:espero|esperamos) que (?:est[eéáa]\w*|se encuentr\w+|todo|este|esta|tudo|você\w*|o senhor|a senhora|usted\w*|tenga\w*|haya\w*)[^.!?\n]{0,50}
        spero (?:che )?(?:stia\w*|tutto|tu|lei|voi|questa|questo|vada)[^.!?\n]{0,40}
        (?:ik hoop dat|hopelijk)(?: het| alles| u| je| jullie| dit| deze| gaat)[^.!?\n]{0,40}
        """,
    )
    + r"[ \t]*[.!?,]+"
)

# Sign-offs that can be nothing else at the end of a text, and those that need a name after them.
_GREETINGS_DE = r"(?:mit |viele |liebe |beste |herzliche |freundliche |sch(?:ö|oe)ne |sonnige )?(?:den )?(?:(?:besten|freundlichen?|lieben|vielen|herzlichen|freundlichem|herzlichem|sonnigen|sch(?:ö|oe)nen) )?gr(?:ü|ue)(?:ß|ss)(?:en?)?|mit (?:freundlichem|herzlichem|bestem|lieben|liebem) gru(?:ß|ss)"
STRONG = any_of(
    rf"""
    (?:with )?(?:my )?(?:kind|kindest|best|warm|warmest|many|sincere|friendly)(?:er)?(?: and (?:kind|kindest|best|warm|warmest))? regards | regards | sincerely(?: yours)? | yours (?:sincerely|truly|faithfully|respectfully) | respectfully(?: yours)?
    (?:with )?best wishes | all the best | many thanks and (?:kind|best|warm) regards | rgds | kr
    {_GREETINGS_DE} | mfg | lg | vg | hochachtungsvoll | bis bald | freundlichst
    (?:bien |très )?cordialement | bien à (?:vous|toi|toute l['’]équipe) | (?:(?:mes )?(?:sincères|meilleures|cordiales|respectueuses) )?salutations(?: distinguées| cordiales| les meilleures)? | cdlt | respectueusement | amicalement
    (?:veuillez|je vous prie de|je vous prie d['’])[^.\n]{{0,60}}(?:salutations|sentiments|considération)[^.\n]{{0,60}}
    (?:(?:un|muchos|reciba|reciban|con un) )*(?:un )?(?:cordial |afectuoso |atento )?saludos?(?: cordial(?:es)?| a todos| atentos)? | atentamente | atte\.? | cordialmente
    (?:muito )?atenciosamente | att\.? | (?:com (?:os )?)?(?:melhores |os melhores )?cumprimentos | (?:um )?(?:grande )?abraços? | saudações(?: cordiais)?
    (?:(?:i (?:miei|nostri) )?(?:più )?(?:cordiali|distinti|migliori) )?saluti(?: cordiali| distinti)? | (?:un |con un )?(?:cordiale |caro )?saluto | in fede | cordialmente
    (?:met )?(?:een )?(?:vriendelijke|hartelijke|beste|lieve|warme)r? groet(?:en|jes)? | groet(?:en|jes)? | m\.?v\.?g\.? | hoogachtend
    """,
)
WEAK = any_of(
    r"""
    (?:many |much |with )?thanks(?: a lot| so much| very much| again| a million)?(?: in advance)? | thank you(?: so much| very much| again| kindly)?(?: in advance| for your (?:help|time|assistance|support|attention))? | thx | ty | cheers | best | warmly | cordially | br | take care | yours | have a (?:nice|good|great) (?:day|one|weekend)
    (?:vielen |herzlichen |besten |schon mal |tausend )?dank(?: im voraus| und gru(?:ß|ss)| vorab)? | danke(?: im voraus| schön| sehr| schonmal| vorab| und gru(?:ß|ss))? | gru(?:ß|ss) | gr(?:ü|ue)(?:ß|ss)e?
    (?:grand |un grand )?merci(?: d['’]avance| beaucoup| par avance| bien)?(?: pour (?:tout|votre aide|votre aide précieuse))? | (?:avec )?(?:mes |tous mes )?remerciements | bonne (?:journée|soirée) | à bientôt
    (?:muchas |mil )?gracias(?: de antemano| por (?:todo|su ayuda|adelantado))? | quedo a la espera | un abrazo | besos
    (?:muito )?obrigad[oa](?: desde já| pela atenção| antecipadamente)? | grat[oa](?: pela atenção| desde já)? | abs | valeu
    (?:molte |tante )?grazie(?: mille| in anticipo| tante| anticipatamente)? | buona (?:giornata|serata) | a presto | ringrazio(?: in anticipo)?
    (?:alvast |hartelijk |heel erg )?bedankt(?: alvast)? | dank (?:u|je)(?: wel)?(?: alvast)? | (?:alvast )?dank
    """,
)
AND = r"(?:[ \t]*(?:,|/|&|\band\b|\bund\b|\bet\b|\by\b|\be\b|\ben\b)[ \t]*)"
SIGN_OFF = rf"(?:(?:{WEAK}|{STRONG}){AND})?"

# Lines that a mail program writes below what a person writes.
_DEVICE = any_of(
    r"""
    iphone | ipad | ipod | samsung | galaxy | android | blackberry | huawei | xiaomi | redmi | pixel | nokia | lumia | oneplus | windows | outlook | yahoo | gmail | mail | proton\w* | thunderbird | aol
    (?:smart|cell|tele|i)?phone | handy | mobile?(?: device| phone)? | tablet | device | ger(?:ä|ae)t | mobiltelefon | mobilger(?:ä|ae)t | téléphone | portable | tel[eé]fono | telefone | m[oó]vil | celular | telem[oó]vel | cellulare | telefoon | mobiel | smartphone | web\.de | gmx | t-online | correo | courrier | posta | app\w*
    """,
)
DEVICE_LINE = (
    rf"(?:sent|written|gesendet|verschickt|envoyée?|enviad[oa]|inviat[oa]|scritto|verstuurd|verzonden)[ \t]+"
    rf"(?:from|via|using|with|by|von|vom|mit|über|aus|de|du|depuis|à partir de|avec|desde|con|do|da|dal|dalla|pelo|através|a partir|vanaf|vanuit|met|per)\b[^\n?!;:]{{0,40}}\b{_DEVICE}\b[^\n?!;:]{{0,50}}"
    rf"|von (?:meinem?r?|unterwegs)\b[^\n?!;:]{{0,50}}(?:gesendet|geschickt|verschickt)\.?"
    rf"|diese nachricht wurde von\b[^\n?!;:]{{0,80}}gesendet\.?"
    rf"|(?:get|download) (?:the )?(?:outlook|yahoo mail|bluemail|spark)[^\n?!;:]{{0,10}} (?:for|app for) (?:ios|android|mac|windows|mobile)[^\n?!;]{{0,60}}"
    rf"|(?:obtenir|téléchargez|obt[eé]n(?:er|ga)|descargue|obter|obtenha|ottieni|scarica|hol dir|holen sie sich|download)[ \t](?:o |l['’])?outlook[^\n?!;]{{0,40}}"
    rf"|outlook (?:für|voor|para|per|pour) (?:ios|android)[^\n?!;]{{0,30}}"
)

# What stands above a quoted mail.
_MESSAGE = any_of(
    r"""
    original (?:message|mail|email|e-mail|appointment) | ursprüngliche (?:nachricht|mail|e-mail) | original-?nachricht | message d['’]origine | message original | e-?mail d['’]origine
    mensaje original | mensagem original | messaggio originale | oorspronkelijk bericht | origineel bericht | reply message | reply (?:above|below) message
    """,
)
DELIMITER = rf"[-_=*> \t]{{2,}}[ \t]*{_MESSAGE}[ \t]*:?[ \t]*[-_=*]{{2,}}"
_WROTE = any_of(
    r"""
    wrote | writes | schrieb | hat geschrieben | geschrieben | a écrit | écrit | escribi[óo] | escreveu | ha scritto | schreef | het volgende geschreven | skrev
    """,
)
WROTE = (
    rf"(?:on|am|le|el|em|il|op|den|dnia|a)\b[^\n]{{5,250}}?\b{_WROTE}\b[^\n:]{{0,120}}[:：]"
    rf"|[^\n:]{{2,120}}?\b{_WROTE}[ \t]+(?:on|am|le|el|em|il|op|no dia)\b[^\n]{{5,120}}[:：]"
    rf"|[^\n:]{{2,80}}@[^\n:]{{2,80}}\b{_WROTE}[ \t]?[:：]"
)
PRONOUN = r"\b(?:he|she|they|you|we|i|it|er|sie|ich|wir|ihr|du|elle|ils?|je|tu|nous|vous|on m|lui|lei|ele|ela|eu|ik|hij|zij|ze)\b[ \t]+(?:\w+[ \t]+)?"
NARRATED = rf"{PRONOUN}{_WROTE}\b|\b(?:schrieb|schreef)[ \t]+(?:er|sie|ich|wir|ihr|du|ik|hij|zij|ze)\b"
DATED = r"\b(?:19|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{1,2}[:.h]\d{2}\b|\S@\S"
FIELDS = {
    "from": any_of("from | von | de | da | van"),
    "when": any_of(
        "sent | date | gesendet | gesendet am | datum | envoyé | envoyé le | date d['’]envoi | enviado | enviado el | enviado em | enviada em | fecha | data | inviato | inviato il | verzonden"
    ),
    "to": any_of("to | an | à | para | a | aan"),
    "about": any_of("subject | betreff | objet | asunto | assunto | oggetto | onderwerp"),
    "copy": any_of("cc | bcc | kopie | reply-to | antwort an | importance | attachments?"),
}

# Footers of companies: how one begins, and words of which at least two kinds stand in it.
FOOTER = any_of(
    r"""
    (?:\W{0,3}(?:confidentiality|privileged|legal|e-?mail) (?:notice|disclaimer|note)|disclaimer|confidential(?:ity)?)\b
    (?:this|the) (?:e-?mail|message|communication|transmission|electronic mail) | the (?:information|contents?) (?:contained )?(?:in|of) this | if you (?:are not|have received)
    diese (?:e-?mail|nachricht|mail) | der inhalt dieser | dieses e-?mail | ce (?:message|courriel|mail) | cet e-?mail | este (?:mensaje|correo|e-?mail|mail) | la información contenida
    esta mensagem | questo messaggio | questa e-?mail | le informazioni contenute | dit (?:bericht|e-?mail) | dit e-mailbericht | deze e-?mail | de informatie in d
    """,
)
SECRECY = r"confiden[tc]i|privileged|vertraulich|riservat|vertrouwelijk|geheim"
CONCERNED = r"intended|addressee|recipient|empf(?:ä|ae)nger|adressat|destinat[aáà]ri|destinataire|geadresseerde|bestemd|destinat[ioea]\b|dirigid"
WARNED = r"delete|destroy|disclos|copying|prohibited|notify|in error|by mistake|lösch|vernicht|informieren|détruire|erreur|elimin|borr|apag|engano|error|cancell|errore|verwijder|abuis|onrechtmatig|strictly|unauthori[sz]ed"
GREEN = any_of(
    r"""
    (?:please )?(?:consider|think of|think about) the environment before printing[^\n]{0,60} | (?:please )?think before you print[^\n]{0,40} | (?:please )?(?:save|protect) (?:paper|the environment)[^\n]{0,60}print[^\n]{0,40}
    (?:bitte )?(?:denken sie|prüfen sie)[^\n]{0,60}(?:drucken|ausdrucken|umwelt)[^\n]{0,40} | pensez à l['’]environnement[^\n]{0,60} | antes de imprimir[^\n]{0,80} | prima di stampare[^\n]{0,80} | denk aan het milieu[^\n]{0,80}
    """,
)
