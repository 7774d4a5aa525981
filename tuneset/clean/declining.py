"""How language models decline, in seven languages, as regular expressions over text in lower case."""

from __future__ import annotations

import re

from tuneset.clean.cannot import AI_LIKE_ME, NAMED, NO_BODY, PERSONS_SIGNS, SIGNS, SLOTS, SLOTS_ELSEWHERE

# Who speaks: "an AI language model", "a chatbot", "ein Sprachmodell", "una IA".
_AI = (
    r"(?:an?|the) (?:[a-z-]+ ){0,2}?(?:a\.?i\.?|artificial intelligence|language model|chat ?bot|machine[- ]learning model|virtual assistant|digital assistant|computer program|machine|robot|piece of software|neural network|assistant (?=made|trained|built|created|developed))"
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
    rf"(?:\bnot\b|n't\b|\bcannot\b)[^.!?\n]{{0,100}},? (?:as|since|because|given that|seeing that|for) i(?:'m| am) (?:just |only |merely |simply )?{_AI}",
    rf"\bi, (?:as|being) (?:just |only |merely )?{_AI}{_MADE},?{_NOT}",
    rf"(?:{AI_LIKE_ME}|{NAMED}){_NOT}",
    NO_BODY,
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
# What may follow on `_CANNOT`, what begins with a word of its own, and the rest: what all of a kind begin with is looked for once.
_AFTER_CANNOT = (
    r"(?:\w+ly )?(?:assist(?:ing)?|help(?:ing)?(?! but))\b",
    r"(?:\w+ly )?(?:fulfil+|comply|honou?r|accommodate|satisfy|condon|promot|endors|encourag|facilitat)",
    rf"(?:\w+ly )?(?:do(?! it| anything)|answer|complete(?! it)|respond to|continue(?: with)?|engag(?:e|ing)(?: in| with)?|participat\w+(?: in)?|take part(?: in)?|discuss|talk(?:ing)? about|speak about|support|share(?! it)|process(?! it)|perform|tell you)(?: \w+)? {_MATTER}",
    r"(?:participat|engage in|take part|in good conscience|predict the future|verify that|view images|browse|access (?:external|real))",
    rf"(?:\w+ly )?(?:creat|generat|writ|produc|provid|shar|giv|offer|mak|translat|render|speak)\w*[^.!?\n]{{0,60}}?{_MADE_UP}",
    r"(?:provid|shar|giv|offer|tell)\w* (?:you )?(?:\w+ ){0,2}(?:how to|information (?:on|about) how)",
    r"(?:\w+ly )?(?:write|writing|generate|generating|translate|translating|reproduce|reproducing) (?:this|that|such|these|those|song|copyright|any)\b|impersonat|recommend (?:specific|particular)",
    r"(?:answer|discuss|respond to|talk about) (?:questions|topics|matters)",
    r"(?:provid|shar|giv|reproduc)\w* (?:you )?(?:with )?(?:the |any )?(?:full )?lyrics",
)
_BEGINS = (
    r"i (?:must|have to|need to|will have to|am going to have to)(?: \w+ly)? (?:decline|refuse|pass on th)|going to have to pass on|i refuse to (?:\w+ )?(?:this|that|such|write|answer|help)",
    r"i(?:'m not| am not| do(?:n't| not) feel|'m un| am un) ?comfortable (?:\w+ing|with (?:this|that)|to )|not (?:be )?(?:appropriate|ethical|right|acceptable) for me to",
    r"(?:against|violat\w+|contrary to|conflicts? with|breach\w*) (?:my|openai's|anthropic's|the|our) ?(?:[\w-]+ ){0,2}(?:guidelines|programming|polic(?:y|ies) (?:on|for|against)|usage policies|content policy|principles)|against my polic|my (?:guidelines|programming|training|design|policies) (?:prevents?|prohibits?|forbids?|do(?:es)? not|don't)",
    r"(?:can't|cannot|can not) and (?:will not|won't|shall not)\b|i(?:'d| would) (?:rather|prefer) not(?: to)? (?:answer|comment|say|discuss|talk|speculate)",
    r"(?:been|was|am|i'm) (?:trained|programmed|designed|instructed|built) (?:not|never) to\b|outside (?:of )?(?:what i can|my (?:capabilit|scope|abilit))",
    r"i (?:do not|don't|have no)(?: have| hold| take)?(?: any| a)? (?:personal|political|religious)(?: or \w+)? (?:opinion|view|belief|stance|preference)",
    r"not something (?:that )?i(?:'m| am| can)\b|beyond (?:what i can|my capabilit)|off[- ]limits for me",
    r"i (?:do not|don't|have no|do not currently|don't currently)(?: have| possess| hold)?(?: any| the)? ?(?:access to (?:real-?time|the internet|current|external|live)|personal (?:opinion|belief|preference|experience|feeling|view)|(?:capability|ability|capacity) to (?:access|browse|open|view|see|feel|experience|send|make|call)|feelings\b|emotions\b|consciousness|political views)",
    r"(?:unethical|irresponsible|inappropriate|wrong|harmful|illegal) (?:of|for) me to\b|i (?:do not|don't) have (?:an )?opinions?\b|my knowledge (?:ends|stops|is limited)",
    r"my (?:instructions|rules|developers|creators|makers) (?:forbid|prohibit|prevent|do(?:es)? not|don't)",
    r"(?:kann|darf) ich (?:\w+ ){0,4}(?:anfrage|bitte|frage|aufforderung)(?: leider)? nicht (?:erfüllen|nachkommen|beantworten)|ich (?:kann|darf) (?:dazu|darüber|hierzu) (?:leider )?nichts|(?:dazu|darüber|hierzu) (?:kann|darf) ich (?:leider )?nichts",
    r"je ne peux rien dire|no puedo decir nada (?:sobre|de|al respecto)|não posso dizer nada (?:sobre|a respeito)|non posso dire nulla (?:su|in merito)|kan ik niets over zeggen|ik kan niet helpen (?:met|bij)|verzoek niet inwilligen|non posso esaudire|no puedo cumplir|je ne peux pas accéder à votre demande",
    r"i(?:'m| am) going to (?:\w+ )?(?:decline|refuse|stop)|my training data\b|(?:break|breach|violate) my (?:rules|guidelines|principles)|i (?:can't|cannot|won't) role-?play",
    r"ich weigere mich|je refuse (?:d'|de )(?:écrire|répondre|créer|générer|participer)|me niego a|recuso-me a|mi rifiuto di|ik weiger",
    r"(?:kann|darf|möchte) ich nicht (?:sprechen|reden)|je ne (?:peux|souhaite) pas (?:parler|discuter) d|no puedo (?:hablar|discutir) (?:de|sobre) (?:es|est)|não posso (?:falar|discutir) (?:sobre|de) (?:is[st]o|es[st])|non posso parlar(?:ne| di quest)|mag ik niet over praten|prefiero no (?:responder|contestar|hablar)|keine auskunft (?:geben|erteilen)",
    r"(?:kann|darf|werde|möchte) ich (?:\w+ )?(?:\w+ )?(?:leider )?nicht (?:weiter)?(?:helfen|dienen|behilflich|unterstützen|beantworten|äußern)|ich (?:kann|darf|werde)(?: [\w]+){0,3} (?:anfrage|bitte|frage|aufforderung)(?: leider)? nicht|ich (?:kann|darf)(?: (?:dir|ihnen|euch))?(?: [\wäöüß]+){0,4} nicht (?:weiter)?(?:helfen|behilflich|unterstützen|beantworten|fortsetzen|äußern)",
    r"ich (?:kann|darf|werde)(?: \w+)? (?:leider )?keine? (?:\w+ )?(?:anleitung|inhalte|auskunft|rechtliche|medizinische|meinung|informationen darüber)|darf (?:ich )?(?:hier|da)(?:rüber|zu) keine|ich muss (?:diese|ihre|deine|die) (?:anfrage|bitte) ablehnen|verstößt gegen meine|ich fühle mich nicht wohl dabei|keinen zugriff auf (?:echtzeit|das internet)|nicht möglich, (?:solche|diese|dir|ihnen dabei)",
    r"je ne (?:peux|pourrai|suis) pas (?:en mesure |capable |autorisée? )?(?:d'|de |à )?(?:vous |t'|y )?(?:aider|assister|répondre à (?:cette|votre|ta)|satisfaire|(?:traiter|continuer|poursuivre|accéder à) (?:cette|votre|la) (?:demande|requête|question|conversation|discussion)|(?:écrire|rédiger|générer|créer|produire) (?:ce|cet|cette|de tels?) (?:texte|contenu|histoire|image|type)|parler de ce|(?:fournir|créer|générer|produire|donner|écrire)[^.!?\n]{0,30}?(?:instruction|contenu|ce type|ce genre|cette information|ces informations|conseils? (?:médic|jurid)))|je dois (?:refuser|décliner)|à l'encontre de mes|contraire à mes|je n'ai pas (?:accès aux? (?:informations? en temps|internet)|d'(?:opinion|émotion|sentiment))|impossible de (?:satisfaire|répondre à cette|traiter cette)|je préfère ne pas répondre",
    r"no (?:puedo|podré|me es posible|estoy autorizad[oa] (?:para|a))(?: \w+)? ?(?:ayudar(?:te|le|los|la)?(?: (?:con|en|a)\b|[.,]|$)|asistir|cumplir con|responder(?: a)? (?:es[ao]|est[ao]|tu|su)|continuar con (?:esta|esa|la) conversación|(?:escribir|generar|crear) (?:ese|este|es[ao]|tal)|hablar de ese|(?:proporcionar|generar|crear|dar|ofrecer|escribir)[^.!?\n]{0,30}?(?:instrucci|contenido|esa información|consejos? (?:legal|médic)))|debo rechazar|en contra de mis|no me siento cómod|no tengo (?:acceso a internet|opiniones personales|sentimientos)",
    r"não (?:posso|consigo|poderei|sou capaz de|estou autorizad[oa] a)(?: \w+)? ?(?:(?:te |lhe |o |a )?ajud(?:ar|á-l[oa]s?)(?: (?:com|a|nisso|em)\b|$|[.,])|atender|cumprir|responder(?: a)? (?:es[st]a|à|sua|tua)|continuar(?: com)? (?:esta|essa|a) conversa|(?:escrever|gerar|criar) (?:esse|este|isso|tal)|falar sobre es[st]e|(?:fornecer|criar|gerar|dar|oferecer|escrever)[^.!?\n]{0,30}?(?:instruç|conteúdo|ess[ae] informaç|conselhos? (?:méd|jur|leg)))|não possa ajudar|devo recusar|contra (?:as )?minhas diretrizes|prefiro não responder|não tenho (?:acesso à internet|opiniões pessoais|sentimentos)",
    r"non (?:posso|sono in grado di|sono autorizzat[oa] a|potrei)(?: \w+)? ?(?:aiutar(?:ti|la|vi|e)?(?: (?:con|a|in)\b|[.,]|$)|assister|soddisfare|rispondere a (?:quest|tale)|continuare (?:questa|la) conversazione|(?:scrivere|generare|creare) (?:questo|questa|tale)|parlare di quest|(?:fornire|creare|generare|dare|scrivere)[^.!?\n]{0,30}?(?:istruzioni|contenut|queste informazioni|consigli (?:legal|medic)))|non poter(?:ti|la|vi) aiutare|devo rifiutare|contro le mie linee|preferisco non rispondere|non ho (?:accesso a internet|opinioni personali)|non provo emozioni",
    r"kan ik (?:je|u|jou)?(?: \w+)? ?niet (?:mee |bij |verder ?)?helpen|ik (?:je|u) (?:hier|daar) niet (?:mee|bij) kan helpen|ik kan (?:je |u )?(?:hier|daar)(?:mee|bij)? niet (?:mee |bij )?helpen|ik kan niet aan (?:dit|uw|je) verzoek|ik kan (?:je|u|jou) (?:hier |daar )?niet (?:verder )?helpen|ik kan (?:deze|die|je|uw|dit|dat) (?:vraag|verzoek|gesprek|opdracht|tekst) niet|kan ik (?:deze|die|dit|dat) (?:vraag|verzoek|gesprek|tekst) niet|ik kan (?:deze|die) informatie niet|kan ik (?:dit|dat) soort|ik kan geen (?:instructies|inhoud|juridisch|medisch)|tegen mijn richtlijnen|ik moet dit verzoek afwijzen|niet in staat om (?:deze|die|dit)|ik mag niet over (?:dit|dat)|geef (?:ik )?daar liever geen antwoord|geen toegang tot (?:het internet|realtime)",
)
_DECLINES = (
    rf"(?:{_CANNOT}) (?:{'|'.join(_AFTER_CANNOT)})",
    rf"\b(?:{'|'.join(_BEGINS)})",
    r"(?:^|[.!?\n] *)it(?:'s| is| would) not (?:be )?(?:appropriate|ethical|acceptable)(?: or \w+)? to (?:discuss|provide|promote|encourage|assist|write|generate|create|make jokes)",
    r"(?:\bnot|n't) (?:something|an? (?:topic|subject|question|request|task)) (?:that )?i(?:'m| am| can| could)\b",
)
# A whole text of a person that says no more than this was written by a model.
_WHOLE = r"(?:(?:i'm |i am )?(?:very |so )?sorry,?(?: but)? |i apologi[sz]e,?(?: but)? )?(?:i (?:can't|cannot|can not)|i(?:'m| am) (?:unable|not able) to) (?:assist|help)(?: you)? with (?:this|that)(?: request)?|i (?:can't|cannot) (?:fulfil+|comply with) (?:this|that|your) request"

SELF = re.compile("|".join(f"(?:{each})" for each in _SELF))
DECLINES = re.compile("|".join(f"(?:{each})" for each in (*_DECLINES, *SLOTS, *SLOTS_ELSEWHERE)))
WHOLE = re.compile(rf"[\s\"']*(?:{_WHOLE})[\s\"'.!]*")

# What to look for in whole columns, in any case: every text that the patterns find has one of these. In the JSON of a
# conversation an apostrophe or an accent may be escaped, so none is among them.
PERSONS = (
    *PERSONS_SIGNS,
    *("a machine", "a robot", "software", "neural network", "an assistant"),
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
    *SIGNS,
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
        "built n",
        "prefiero",
        "irresponsible",
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
