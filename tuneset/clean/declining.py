"""How language models decline, in seven languages, as regular expressions over text in lower case."""

from __future__ import annotations

import re

# Who speaks: "an AI language model", "a chatbot", "ein Sprachmodell", "una IA".
_AI = (
    r"(?:an?|the) (?:[a-z-]+ ){0,2}?(?:a\.?i\.?|artificial intelligence|language model|chat ?bot|machine[- ]learning model|virtual assistant|digital assistant|computer program)"
    r"(?:[ -](?:language|text|chat|based|powered))*(?: (?:model|assistant|chatbot|system|program|bot))?"
)
_MADE = r"(?: (?:developed|created|trained|made|built|designed|programmed)\b[^,.;!?\n]{0,40})?"
_NOT = r"[^.!?\n]{0,120}?(?:\bnot\b|n't\b|\bcannot\b|\bunable\b|\bno\b|\bmust\b|\black\b|\bnever\b|\bwithout\b)"
_NICHT = r"[^.!?\n]{0,120}?\b(?:nicht|keine?[nrms]?|unmöglich)\b"
_PAS = r"[^.!?\n]{0,120}?(?:\bpas\b|\bimpossible\b|\baucune?\b)"
_NO = r"[^.!?\n]{0,120}?\b(?:no|não|non|imposible|impossível|impossibile|carezco)\b"
_NIET = r"[^.!?\n]{0,120}?\b(?:niet|geen)\b"

# What only a model says, of itself; a person does not, so these are looked for in questions too.
_SELF = (
    rf"\b(?:as|being|since i(?:'m| am)|because i(?:'m| am)|given that i(?:'m| am)) (?:just |only |merely )?{_AI}{_MADE},? (?:i|it|my)\b{_NOT}",
    rf"\bi(?:'m| am) (?:just |only |merely |simply |still )?{_AI}(?! [a-z]*(?:engineer|developer|research|student|compan|start|expert|enthusias|special|consult|scien)){_NOT}",
    rf"(?:\bnot\b|n't\b|\bcannot\b)[^.!?\n]{{0,100}}, as i(?:'m| am) (?:just |only )?{_AI}",
    rf"\bals (?:reine[sr]? |eine? )?(?:ki|k\.i\.|künstliche intelligenz|sprachmodell|chatbot|virtueller assistent)\b(?:-\w+)?{_NICHT}",
    rf"\bich bin (?:nur |lediglich |bloß )?(?:eine? )?(?:ki|künstliche intelligenz|sprachmodell|chatbot)\b(?:-\w+)?{_NICHT}",
    rf"\b(?:en tant qu(?:e |'))(?:une? )?(?:ia|intelligence artificielle|modèle (?:de langage|d'ia)|chatbot|assistant virtuel)\b{_PAS}",
    rf"\bje (?:ne )?suis (?:qu')?(?:une? )?(?:simple )?(?:ia|intelligence artificielle|modèle de langage|chatbot)\b{_PAS}",
    rf"\b(?:como|en tanto que|enquanto|soy|sou)(?: (?:apenas|solo|sólo))? (?:una? |uma? )?(?:ia|inteligencia artificial|inteligência artificial|modelo de (?:lenguaje|linguagem|ia)|chatbot|asistente virtual|assistente virtual)\b{_NO}",
    rf"\b(?:come|in quanto|sono)(?: (?:solo|soltanto))? (?:un'|una? )?(?:ia|ai|intelligenza artificiale|modello (?:linguistico|di linguaggio|di ia)|chatbot|assistente virtuale)\b{_NO}",
    rf"\b(?:als|ik ben)(?: (?:slechts|maar|alleen))? (?:een )?(?:ai|kunstmatige intelligentie|taalmodel|chatbot|virtuele assistent)\b(?:-\w+)?{_NIET}",
    r"\b(?:as of )?my (?:last )?(?:knowledge|training)(?: data)? (?:cut-?off|update)|\bi was (?:trained|created|developed) by (?:openai|anthropic|google|meta|mistral)\b",
)

_CANNOT = (
    r"\bi (?:(?:really|simply|just|also|still|therefore) )?(?:can't|cannot|can not|won't(?: be able to)?|will not(?: be able to)?|refuse to|decline to|do(?:n't| not) think i can|(?:'d|would) (?:rather|prefer) not(?: to)?)"
    r"|\bi(?:'d| would) (?:rather|prefer) not(?: to)?|\bi(?:'m| am) (?:\w+ )?(?:unable|not (?:able|allowed|permitted|authori[sz]ed|programmed|designed|going|willing|in a position)|prohibited|forbidden|afraid i can't)(?: to| from)?"
    r"|(?:^|[,;] |\band |\bbut )(?:unfortunately,? )?(?:can't|cannot|unable to|won't)"
)
_MATTER = r"(?:th(?:is|at|ese|ose)\b|such|(?:your|the|any) (?:request|question|prompt|topic|subject)|it\b|anything)"
_MADE_UP = (
    r"(?:content|stor(?:y|ies)|poems?|texts?\b|material|images?|pictures|jokes?|essays?|scripts?|instructions?|guidance|assistance|opinions?|malware|hate|misinformation|propaganda|diagnos[ie]s|explicit|offensive|hateful|fake"
    r"|(?:legal|medical|financial|tax|investment) advice|advice on how|(?:information|details|tips|advice) (?:on|about|that|for) (?:how|that|this)|(?:this|that|such)(?: (?:kind|sort|type) of)? (?:information|advice|details)|the (?:help|text|information) (?:that )?you|on behalf of|(?:response|answer) to (?:that|this|your|the))"
)
_DECLINES = (
    rf"(?:{_CANNOT}) (?:\w+ly )?(?:assist(?:ing)?|help(?:ing)?(?! but))\b",
    rf"(?:{_CANNOT}) (?:\w+ly )?(?:fulfil+|comply|honou?r|accommodate|satisfy|condon|promot|endors|encourag|facilitat)",
    rf"(?:{_CANNOT}) (?:\w+ly )?(?:do(?! it| anything)|answer|complete|respond to|continue(?: with)?|engag(?:e|ing)(?: in| with)?|participat\w+(?: in)?|take part(?: in)?|discuss|talk(?:ing)? about|speak about|support|share|process|perform|tell you)(?: \w+)? {_MATTER}",
    rf"(?:{_CANNOT}) (?:participat|engage in|take part|in good conscience|predict the future|verify that|view images|browse|access (?:external|real))",
    rf"(?:{_CANNOT}) (?:\w+ly )?(?:creat|generat|writ|produc|provid|shar|giv|offer|mak|translat|render|speak)\w*[^.!?\n]{{0,60}}?{_MADE_UP}",
    rf"(?:{_CANNOT}) (?:provid|shar|giv|offer|tell)\w* (?:you )?(?:\w+ ){{0,2}}(?:how to|information (?:on|about) how)",
    r"\bi (?:must|have to|need to|will have to|am going to have to)(?: \w+ly)? (?:decline|refuse|pass on th)|\bgoing to have to pass on|\bi refuse to (?:\w+ )?(?:this|that|such|write|answer|help)",
    r"\bi(?:'m not| am not| do(?:n't| not) feel|'m un| am un) ?comfortable (?:\w+ing|with (?:this|that)|to )|\bnot (?:be )?(?:appropriate|ethical|right|acceptable) for me to",
    r"\b(?:against|violat\w+|contrary to|conflicts? with|breach\w*) (?:my|openai's|anthropic's|the|our) ?(?:[\w-]+ ){0,2}(?:guidelines|programming|polic(?:y|ies) (?:on|for|against)|usage policies|content policy|principles)|\bagainst my polic|\bmy (?:guidelines|programming|training|design|policies) (?:prevents?|prohibits?|forbids?|do(?:es)? not|don't)",
    r"(?:^|[.!?\n] *)it(?:'s| is| would) not (?:be )?(?:appropriate|ethical|acceptable)(?: or \w+)? to (?:discuss|provide|promote|encourage|assist|write|generate|create|make jokes)",
    rf"(?:{_CANNOT}) (?:\w+ly )?(?:write|writing|generate|generating|translate|translating|reproduce|reproducing) (?:this|that|such|these|those|song|copyright|any)\b|(?:{_CANNOT}) impersonat|(?:{_CANNOT}) recommend (?:specific|particular)",
    r"\b(?:can't|cannot|can not) and (?:will not|won't|shall not)\b|\bi(?:'d| would) (?:rather|prefer) not(?: to)? (?:answer|comment|say|discuss|talk|speculate)",
    r"\b(?:been|was|am|i'm) (?:trained|programmed|designed|instructed|built) (?:not|never) to\b|\boutside (?:of )?(?:what i can|my (?:capabilit|scope|abilit))",
    r"\bi (?:do not|don't|have no)(?: have| hold| take)?(?: any| a)? (?:personal|political|religious)(?: or \w+)? (?:opinion|view|belief|stance|preference)",
    r"\b(?:not|n't) (?:something|an? (?:topic|subject|question|request|task)) (?:that )?i(?:'m| am| can| could)\b|\bnot something (?:that )?i(?:'m| am| can)\b|\bbeyond (?:what i can|my capabilit)|\boff[- ]limits for me",
    r"\bi (?:do not|don't|have no|do not currently|don't currently)(?: have| possess| hold)?(?: any| the)? ?(?:access to (?:real-?time|the internet|current|external|live)|personal (?:opinion|belief|preference|experience|feeling|view)|(?:capability|ability|capacity) to (?:access|browse|open|view|see|feel|experience|send|make|call)|feelings\b|emotions\b|consciousness|political views)",
    rf"(?:{_CANNOT}) (?:answer|discuss|respond to|talk about) (?:questions|topics|matters)|\b(?:unethical|irresponsible|inappropriate|wrong|harmful|illegal) (?:of|for) me to\b|\bi (?:do not|don't) have (?:an )?opinions?\b|\bmy knowledge (?:ends|stops|is limited)",
    rf"\bmy (?:instructions|rules|developers|creators|makers) (?:forbid|prohibit|prevent|do(?:es)? not|don't)|(?:{_CANNOT}) (?:provid|shar|giv|reproduc)\w* (?:you )?(?:with )?(?:the |any )?(?:full )?lyrics",
    r"\b(?:kann|darf) ich (?:\w+ ){0,4}(?:anfrage|bitte|frage|aufforderung)(?: leider)? nicht (?:erfüllen|nachkommen|beantworten)|\bich (?:kann|darf) (?:dazu|darüber|hierzu) (?:leider )?nichts|\b(?:dazu|darüber|hierzu) (?:kann|darf) ich (?:leider )?nichts",
    r"\bje ne peux rien dire|\bno puedo decir nada (?:sobre|de|al respecto)|\bnão posso dizer nada (?:sobre|a respeito)|\bnon posso dire nulla (?:su|in merito)|\bkan ik niets over zeggen|\bik kan niet helpen (?:met|bij)|\bverzoek niet inwilligen|\bnon posso esaudire|\bno puedo cumplir|\bje ne peux pas accéder à votre demande",
    r"\bi(?:'m| am) going to (?:\w+ )?(?:decline|refuse|stop)|\bmy training data\b|\b(?:break|breach|violate) my (?:rules|guidelines|principles)|\bi (?:can't|cannot|won't) role-?play",
    r"\bich weigere mich|\bje refuse (?:d'|de )(?:écrire|répondre|créer|générer|participer)|\bme niego a|\brecuso-me a|\bmi rifiuto di|\bik weiger",
    r"\b(?:kann|darf|möchte) ich nicht (?:sprechen|reden)|\bje ne (?:peux|souhaite) pas (?:parler|discuter) d|\bno puedo (?:hablar|discutir) (?:de|sobre) (?:es|est)|\bnão posso (?:falar|discutir) (?:sobre|de) (?:is[st]o|es[st])|\bnon posso parlar(?:ne| di quest)|\bmag ik niet over praten|\bprefiero no (?:responder|contestar|hablar)|\bkeine auskunft (?:geben|erteilen)",
    # German
    r"\b(?:kann|darf|werde|möchte) ich (?:\w+ )?(?:\w+ )?(?:leider )?nicht (?:weiter)?(?:helfen|dienen|behilflich|unterstützen|beantworten|äußern)|\bich (?:kann|darf|werde)(?: [\w]+){0,3} (?:anfrage|bitte|frage|aufforderung)(?: leider)? nicht|\bich (?:kann|darf)(?: (?:dir|ihnen|euch))?(?: [\wäöüß]+){0,4} nicht (?:weiter)?(?:helfen|behilflich|unterstützen|beantworten|fortsetzen|äußern)",
    r"\bich (?:kann|darf|werde)(?: \w+)? (?:leider )?keine? (?:\w+ )?(?:anleitung|inhalte|auskunft|rechtliche|medizinische|meinung|informationen darüber)|\bdarf (?:ich )?(?:hier|da)(?:rüber|zu) keine|\bich muss (?:diese|ihre|deine|die) (?:anfrage|bitte) ablehnen|\bverstößt gegen meine|\bich fühle mich nicht wohl dabei|\bkeinen zugriff auf (?:echtzeit|das internet)|\bnicht möglich, (?:solche|diese|dir|ihnen dabei)",
    # French
    r"\bje ne (?:peux|pourrai|suis) pas (?:en mesure |capable |autorisée? )?(?:d'|de |à )?(?:vous |t'|y )?(?:aider|assister|répondre à (?:cette|votre|ta)|satisfaire|(?:traiter|continuer|poursuivre|accéder à) (?:cette|votre|la) (?:demande|requête|question|conversation|discussion)|(?:écrire|rédiger|générer|créer|produire) (?:ce|cet|cette|de tels?) (?:texte|contenu|histoire|image|type)|parler de ce|(?:fournir|créer|générer|produire|donner|écrire)[^.!?\n]{0,30}?(?:instruction|contenu|ce type|ce genre|cette information|ces informations|conseils? (?:médic|jurid)))|\bje dois (?:refuser|décliner)|\bà l'encontre de mes|\bcontraire à mes|\bje n'ai pas (?:accès aux? (?:informations? en temps|internet)|d'(?:opinion|émotion|sentiment))|\bimpossible de (?:satisfaire|répondre à cette|traiter cette)|\bje préfère ne pas répondre",
    # Spanish
    r"\bno (?:puedo|podré|me es posible|estoy autorizad[oa] (?:para|a))(?: \w+)? ?(?:ayudar(?:te|le|los|la)?(?: (?:con|en|a)\b|[.,]|$)|asistir|cumplir con|responder(?: a)? (?:es[ao]|est[ao]|tu|su)|continuar con (?:esta|esa|la) conversación|(?:escribir|generar|crear) (?:ese|este|es[ao]|tal)|hablar de ese|(?:proporcionar|generar|crear|dar|ofrecer|escribir)[^.!?\n]{0,30}?(?:instrucci|contenido|esa información|consejos? (?:legal|médic)))|\bdebo rechazar|\ben contra de mis|\bno me siento cómod|\bno tengo (?:acceso a internet|opiniones personales|sentimientos)",
    # Portuguese
    r"\bnão (?:posso|consigo|poderei|sou capaz de|estou autorizad[oa] a)(?: \w+)? ?(?:(?:te |lhe |o |a )?ajud(?:ar|á-l[oa]s?)(?: (?:com|a|nisso|em)\b|$|[.,])|atender|cumprir|responder(?: a)? (?:es[st]a|à|sua|tua)|continuar(?: com)? (?:esta|essa|a) conversa|(?:escrever|gerar|criar) (?:esse|este|isso|tal)|falar sobre es[st]e|(?:fornecer|criar|gerar|dar|oferecer|escrever)[^.!?\n]{0,30}?(?:instruç|conteúdo|ess[ae] informaç|conselhos? (?:méd|jur|leg)))|\bnão possa ajudar|\bdevo recusar|\bcontra (?:as )?minhas diretrizes|\bprefiro não responder|\bnão tenho (?:acesso à internet|opiniões pessoais|sentimentos)",
    # Italian
    r"\bnon (?:posso|sono in grado di|sono autorizzat[oa] a|potrei)(?: \w+)? ?(?:aiutar(?:ti|la|vi|e)?(?: (?:con|a|in)\b|[.,]|$)|assister|soddisfare|rispondere a (?:quest|tale)|continuare (?:questa|la) conversazione|(?:scrivere|generare|creare) (?:questo|questa|tale)|parlare di quest|(?:fornire|creare|generare|dare|scrivere)[^.!?\n]{0,30}?(?:istruzioni|contenut|queste informazioni|consigli (?:legal|medic)))|\bnon poter(?:ti|la|vi) aiutare|\bdevo rifiutare|\bcontro le mie linee|\bpreferisco non rispondere|\bnon ho (?:accesso a internet|opinioni personali)|\bnon provo emozioni",
    # Dutch
    r"\bkan ik (?:je|u|jou)?(?: \w+)? ?niet (?:mee |bij |verder ?)?helpen|\bik (?:je|u) (?:hier|daar) niet (?:mee|bij) kan helpen|\bik kan (?:je |u )?(?:hier|daar)(?:mee|bij)? niet (?:mee |bij )?helpen|\bik kan niet aan (?:dit|uw|je) verzoek|\bik kan (?:je|u|jou) (?:hier |daar )?niet (?:verder )?helpen|\bik kan (?:deze|die|je|uw|dit|dat) (?:vraag|verzoek|gesprek|opdracht|tekst) niet|\bkan ik (?:deze|die|dit|dat) (?:vraag|verzoek|gesprek|tekst) niet|\bik kan (?:deze|die) informatie niet|\bkan ik (?:dit|dat) soort|\bik kan geen (?:instructies|inhoud|juridisch|medisch)|\btegen mijn richtlijnen|\bik moet dit verzoek afwijzen|\bniet in staat om (?:deze|die|dit)|\bik mag niet over (?:dit|dat)|\bgeef (?:ik )?daar liever geen antwoord|\bgeen toegang tot (?:het internet|realtime)",
)
# A whole text of a person that says no more than this was written by a model.
_WHOLE = r"(?:(?:i'm |i am )?(?:very |so )?sorry,?(?: but)? |i apologi[sz]e,?(?: but)? )?(?:i (?:can't|cannot|can not)|i(?:'m| am) (?:unable|not able) to) (?:assist|help)(?: you)? with (?:this|that)(?: request)?|i (?:can't|cannot) (?:fulfil+|comply with) (?:this|that|your) request"

SELF = re.compile("|".join(f"(?:{each})" for each in _SELF))
DECLINES = re.compile("|".join(f"(?:{each})" for each in _DECLINES))
WHOLE = re.compile(rf"[\s\"']*(?:{_WHOLE})[\s\"'.!]*")

# What to look for in whole columns, in any case: every text that the patterns find has one of these. In the JSON of a
# conversation an apostrophe or an accent may be escaped, so none is among them.
PERSONS = (
    *(
        " ai ",
        " ai,",
        "an ai",
        "a.i.",
        "language model",
        "chatbot",
        "chat bot",
        "artificial intelligence",
        "learning model",
        "virtual assistant",
    ),
    *(
        "digital assistant",
        "computer program",
        "knowledge",
        "training",
        "trained by",
        "created by",
        "developed by",
        "assist with th",
        "help with th",
    ),
    *(
        "assist you with th",
        "help you with th",
        "fulfil",
        "comply with",
        " ki",
        "sprachmodell",
        "virtueller assistent",
        "ligence artificielle",
        "de langage",
    ),
    *(
        "assistant virtuel",
        " ia",
        "ligencia artificial",
        "artificial",
        "modelo de l",
        "virtual",
        "modello",
        "virtuale",
        "ai-",
        "kunstmatige",
        "taalmodel",
    ),
)
MODELS = (
    *PERSONS,
    *(
        "can't",
        "can not",
        "cannot",
        "can\u2019t",
        "can\\u2019t",
        "won't",
        "won\u2019t",
        "won\\u2019t",
        "will not",
        "n't think i can",
        "unable",
        "not able",
        "not allowed",
    ),
    *(
        "not permitted",
        "not authori",
        "not programmed",
        "not designed",
        "not going",
        "not willing",
        "not in a position",
        "prohibited",
        "forbidden",
        "afraid",
    ),
    *(
        "prefer not",
        "rather not",
        "refuse",
        "decline",
        "pass on",
        "comfortable",
        "appropriate",
        "ethical",
        "not right for me",
        "acceptable",
        "guidelines",
    ),
    *(
        "programming",
        "polic",
        "principles",
        "not something",
        "beyond",
        "off limits",
        "off-limits",
        "access to",
        "personal",
        "ability to",
        "capacity to",
        "feelings",
    ),
    *(
        "emotions",
        "consciousness",
        "political views",
        " ich ",
        "nicht ",
        "trained not",
        "instructions",
        "opinion",
        "lyrics",
        "rules",
        "developers",
        "creators",
        "wrong",
        "harmful",
        "nichts",
        "rien dire",
        "esaudire",
        "inwilligen",
        "niets",
        "dire nulla",
        "going to",
        "break my",
        "role",
        "weigere",
        "refuse",
        "niego",
        "recuso",
        "rifiuto",
        "weiger",
        "hablar",
        "falar",
        "parlar",
        "praten",
        "auskunft",
        "programmed n",
        "designed n",
        "instructed n",
        "outside",
        "a topic",
        "a subject",
        "a question",
        "a request",
        "a task",
        "political",
        "religious",
        "comment on",
        "ich kann",
        "ich darf",
        "ich muss",
        "richtlinien",
        "meine",
        "keinen zugriff",
        "je ne",
        "je dois",
        "encontre de",
    ),
    *(
        "contraire",
        "je n",
        "impossible",
        "je pr",
        "no puedo",
        "no podr",
        "no me ",
        "no estoy",
        "debo rechazar",
        "en contra de",
        "no tengo",
        " posso",
        "consigo",
        "poderei",
    ),
    *(
        "capaz de",
        "autorizad",
        "possa ajudar",
        "devo recusar",
        "diretrizes",
        "prefiro",
        "tenho",
        "non sono",
        "non potr",
        "non poter",
        "rifiutare",
        "le mie linee",
    ),
    *(
        "preferisco",
        "non ho",
        "non provo",
        "kan ik",
        "ik kan",
        "ik je",
        "ik u",
        "ik moet",
        "ik mag",
        "niet in staat",
        "mijn richtlijnen",
        "antwoord",
        "geen toegang",
    ),
)
