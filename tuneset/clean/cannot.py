"""How a model declines in English, put together: who, that it will not, what it would say or write, and about what."""

from __future__ import annotations

# A customer's agent cannot do things ("I can't change the seat"); a model cannot say or write things, or is no person.
_ADVERB = r"(?:(?:\w+ly|just|also|still|then|therefore|either|afraid|sorry),? )?(?:that )?"
_WILL_NOT = (
    r"can't|cannot|can not|couldn't|could not|won't(?: be able to)?|will not(?: be able to)?|wouldn't|would not|mustn't|must not|shouldn't|should not"
    r"|(?:do not|don't) (?:think|believe|feel)(?: that)? (?:i|it's right for me to)(?: should| can| could| ought to)?|refuse to|decline to|choose not to|(?:do not|don't) (?:want|wish|intend) to|do not|don't|have to (?:decline|refuse) to|must (?:decline|refuse) to"
)
_UNABLE = (
    r"unable|unwilling|prohibited|forbidden|barred|restricted|hesitant|reluctant"
    r"|not (?:able|allowed|permitted|authori[sz]ed|programmed|designed|built|made|meant|intended|trained|equipped|configured|supposed|going|willing|prepared|here|in a position|at liberty)"
)
_I = r"\bi(?:, (?:as|being) [^,.!?\n]{2,40},)?"
NOT = (
    rf"(?:{_I} {_ADVERB}(?:{_WILL_NOT})|\bi(?:'m| am|'ve been| have been) {_ADVERB}(?:{_UNABLE})(?: to| from)?"
    r"|\bi(?:'d| would) (?:rather|prefer)(?: to)? not(?: to)?) (?:\w+ly |ever |even |be (?:able|willing) to |be )?"
)

# What is asked for, when it is named by what it is: a request, or a text.
_ASKED = r"(?:requests?|questions?|prompts?|quer(?:y|ies)|topics?|subjects?|content|material|tasks?|scenarios?|role-?plays?|language|conversations?)"
_TEXT = r"(?:stor(?:y|ies)|poems?|poetry|jokes?|essays?|songs?|lyrics|speech(?:es)?|tweets?|articles?|blog posts?|dialogues?|scenes?|fan ?fiction|limericks?|satire|parod(?:y|ies)|propaganda|homework|fake \w+|impressions? of)"
_ADVICE = (
    r"(?:(?:legal|medical|financial|tax|investment|relationship|dating|dietary|psychological|mental health|parenting|betting|gambling|stock|trading|diagnostic|clinical)(?: or \w+| and \w+|, \w+)* (?:advice|guidance|opinions?|counsel|recommendations?|predictions?|tips?)"
    r"|step-by-step|tutorials?|walkthroughs?|recipes? for|instructions|guidance (?:on|for|about)|(?:a )?diagnos[ei]s)"
)
_VIEWS = r"(?:personal|political|religious|subjective) (?:opinions?|views?|beliefs?|judge?ments?|preferences?)"
_HARM = (
    r"(?:weapons?|bombs?|explosives?|firearms?|narcotics|hack(?:s|ing)?\b|malware|ransomware|phishing|illegal|unlawful|illicit|unethical|harmful|violen(?:t|ce)|hat(?:e|red|eful)\b|harass\w*|bully\w*|stalk\w*"
    r"|defam\w*|slander\w*|racis[tm]|sexis[tm]|discriminat\w*|derogatory|demeaning|stereotyp\w*|explicit|sexual\w*|pornogra\w*|nsfw|erotic\w*|self-harm|suicid\w*|murder\w*|plagiari\w*|manipulat\w*|deceiv\w*"
    r"|decepti\w*|misinformation|disinformation|conspirac\w*|copyrighted|circumvent\w*|threatening|intimidat\w*|doxx?\w*|spy(?:ing)? on|copy protection|real (?:person|people|individual)s?)"
)
_SAY = r"(?:answer|respond to|reply to|discuss|talk about|speak (?:about|on)|comment on|engage (?:with|in)|address|get into|go into|continue(?: with)?|proceed with|support|entertain|touch|cover)(?:ing)?"
_WRITE = r"(?:(?:writ|compos|creat|generat|produc|fabricat|mak|translat|reproduc|recit|imitat)(?:e|ing)|(?:draft|craft|invent|tell|do|render|work on)(?:ing)?|com(?:e|ing) up with)"
_GIVE = r"(?:(?:provid|giv|shar|outlin|describ)(?:e|ing)|(?:offer|supply|explain|teach|walk you through|show|recommend|suggest|detail)(?:ing)?)"

# What only a text does, of something unnamed: an agent speaks of this order and that card, a model of any poem.
_TELL = (
    r"(?:(?:generat|creat|writ|compos|describ|endors|imagin|imitat|simulat)(?:e|ing)|(?:draft|express|depict|portray|discuss|reveal|disclos|justif|defend|rank|mock|insult|ridicul|prais|glamori[sz]|fabricat)\w*|act(?:ing)? as|go(?:ing)? into"
    r"|mak(?:e|ing) (?:fun|light|jokes)|jok(?:e|ing) about|argu(?:e|ing) (?:for|that)|help(?:ing)? (?:you )?with (?:any|that|this))"
)
_THINGS = (
    r"(?:orders?|parcels?|packages?|deliver\w*|shipp\w*|shipments?|refunds?|returns?|accounts?|cards?|pay(?:ment|s|ing)?|paid|invoices?|receipts?|banks?|address(?:es)?|codes?|passwords?|pins?|book(?:ing|ings)|tickets?|seats?|rooms?"
    r"|tables?|flights?|trains?|hotels?|prices?|quotes?|discounts?|vouchers?|coupons?|fees?|charges?|bills?|contracts?|insur\w*|claims?|warrant\w*|forms?|signatures?|labels?|numbers?|devices?|phones?|screens?|stores?|shops?"
    r"|branch(?:es)?|drivers?|couriers?|engineers?|technicians?|colleagues?|managers?|customers?|dates?|days?|weeks?|months?|hours?|minutes?|size|colou?rs?|stock|items?|products?|subscriptions?|plans?|loans?|rent|passports?|cases?"
    r"|appointments?|profiles?|files?|reports?|links?|logs?|backups?|users?|baskets?|certificates?|statements?|copies|copy|entr(?:y|ies)|records?|transfers?|transactions?|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|weekends?|yet|again|until|before)"
)

# In questions too, where it is a person who speaks, as only a model says this of itself.
AI_LIKE_ME = r"\b(?:an ai|ai (?:models?|systems?|assistants?|language models?)|(?:large )?language models?|chatbots?) like (?:me\b|myself)"
NAMED = r"\bi(?:'m| am) (?:claude|chatgpt|gpt-?[\d.]*|gemini|bard|llama|mistral|qwen|copilot|deepseek|grok)\b"
NO_BODY = r"\bi (?:do not|don't|have no|lack)(?: have)? ?(?:a |any )?physical (?:body|form|presence|existence)"

# What may follow on `NOT`: it is looked for once, then these, which takes a fifth of the time of one pattern for each.
_AFTER_NOT = (
    r"(?:role-?play|pretend|play along|go along with|impersonat|opine|weigh in|take sides|take a (?:side|stance)|condon|endors|promot|glorif|facilitat|fulfil|in good (?:faith|conscience)|be (?:a )?part(?:y)? (?:of|to) (?:this|that|such|any))",
    rf"(?:{_SAY}|{_WRITE}|{_GIVE})[^.!?\n]{{0,40}}?\b(?:(?:this|that|such(?: an?)?|your|the) (?:\w+ )?{_ASKED}\b|{_ASKED} (?:of|like) (?:this|that|such)\b|(?:this|that|these|those|such) (?:kind|type|sort)s? of {_ASKED})",
    rf"(?:{_WRITE})(?: you)? (?:(?!the |your |our )[\w'-]+ ){{0,4}}?{_TEXT}\b(?! (?:number|earlier|later))",
    rf"(?:{_WRITE}|{_GIVE})(?: you)? (?:with )?(?:[\w'-]+ ){{0,3}}?(?:{_ADVICE}|{_VIEWS})",
    rf"(?:have|having|hold|holding|express|expressing|form) (?:[\w'-]+ ){{0,2}}?{_VIEWS}",
    rf"(?:{_SAY}|{_WRITE}|{_GIVE}|help|assist|aid|advis|participat|contribut|encourag|generat)\w*[^.!?\n]{{0,60}}?\b{_HARM}",
    rf"{_TELL} (?:you )?(?!(?:how|the|your|our|my|his|her|their|it|on|off|out|to|in|at|town) )(?![^.!?\n]*\b{_THINGS}\b)\w",
    r"be of (?:any )?(?:assistance|help)\b",
    r"do what you(?:'re|'ve| are| have)? ?(?:ask|want|request)",
    r"(?:disclos|reveal|shar)\w* (?:my|the) (?:system|internal|hidden|initial|original)",
    r"(?:recall|remember|access|see|retain)\w* (?:any |our |other |previous |past |earlier |prior )+(?:chats|conversations|sessions|discussions|messages)",
    r"(?:provid|giv|offer|shar)\w* (?:you )?(?:with )?(?:any )?(?:real-time|live|up-to-date|up-to-the-minute)",
    r"(?:provid|giv|offer|shar|supply)\w* (?:you )?(?:with )?(?:any |a )?(?:methods?|techniques?|tactics|strateg(?:y|ies)|ways) (?:to|for|of)",
    # "I can't provide that." and nothing more
    r"(?:provid(?:e|ing)|shar(?:e|ing)|describ(?:e|ing)|writ(?:e|ing)|creat(?:e|ing)|produc(?:e|ing)|generat(?:e|ing)|answer(?:ing)?|discuss(?:ing)?|continue|support|say) (?:this|that|these|those|it|one)(?: one| here| for you)? ?(?:[.,;!]|$)",
    r"(?:advis|explain|describ|show|teach)\w* (?:you )?(?:on )?how to",
    r"(?:predict|foresee|forecast)\w* (?:who|(?:the )?(?:future|outcome|winner|stock|market|election|lottery))",
    r"diagnos\w* (?:you\b|(?:your |any |a )?(?:\w+ )?(?:conditions?|symptoms?|illness\w*|diseases?|disorders?|rash|pain))",
    r"(?:identif|recogni[sz]|nam)\w* [^.!?\n]{0,30}?(?:person|people|individuals?|faces?|who)\b[^.!?\n]{0,20}?(?:photo|picture|image|face)",
    r"(?:open|visit|view|watch|listen to|process|analy[sz]e|see|hear)(?:ing)? (?:any |external |web |or \w+ )*(?:links|urls|websites|web ?pages|images|pictures|videos|audio)\b",
    r"feel (?:right|comfortable|good|at ease|okay|ok) (?:(?:about|with|in) )?\w+ing\b",
    r"tak(?:e|ing) (?:\w+ )?(?:political )?(?:positions?|sides?|stances?) (?:on|in|for|against)\b",
)
# What begins with a word of its own.
_ELSE = (
    r"(?:something|a (?:request|topic|question|subject|task)) (?:that )?i(?:'ll| will| have to| must| need to|'d| would|'m going to| am going to)? ?(?:have to |rather |\w+ly )?(?:refuse|decline|pass on|steer clear of|stay away from|can't help|cannot help|won't help|can't assist|cannot assist|won't assist|won't do|won't write|won't discuss|can't discuss|cannot discuss|won't engage|cannot engage|can't engage|won't be helping|not (?:discuss|help|write|engage))",
    r"(?:make|making|take|taking) (?:\w+ )?(?:decisions|moral judge?ments|choices) for you\b.{0,40}\bai\b|ai\b.{0,40}\b(?:can't|cannot|not) (?:make|take) (?:\w+ )?(?:decisions|choices)",
    r"system prompt\b|(?:safety|content) filters?\b",
    r"i(?:'m| am) (?:\w+ly )?declining\b|i(?:'ll| will| must| have to| need to) turn (?:this|that) (?:one |request )?down\b",
    r"(?:outside|beyond)(?: of)? my (?:\w+ )?(?:abilit|capabilit|scope|knowledge|programming|training)",
    r"my knowledge (?:only )?(?:goes|extends|reaches|runs|cuts off|stops|ends)|not connected to the internet|i (?:do not|don't) experience\b",
    r"(?:hurt|harm|endanger|injure) (?:people|someone|somebody|others|yourself|anyone)\b[^.!?\n]{0,30}\bi (?:can't|cannot|won't|will not)",
    r"cross(?:es|ing)? a line|a line (?:that )?i (?:won't|will not|can't|cannot) cross",
    r"i(?:'d| would| must| have to| need to| prefer to| try to| aim to| want to|'ve been| have been|'m| am)(?: (?:rather|prefer to|like to|told to|asked to|instructed to|trained to|designed to|programmed to|supposed to|meant to|have to|need to))? (?:steer clear of|stay (?:away from|neutral|impartial|out of)|keep (?:away from|out of)|refrain from|abstain from|remain (?:neutral|impartial))",
    r"(?:designed|trained|programmed|built|instructed|made|told) to (?:avoid|refuse|decline|reject)",
    r"i (?:strive|aim|try) to (?:be|remain|stay) (?:\w+ (?:and )?)?(?:respectful|neutral|impartial|unbiased|objective|harmless)",
    r"i(?:'ll| will| must| have to|'m going to)(?: have to)? (?:\w+ly )?(?:pass on (?:this|that) (?:one|request|question|topic)|pass[.,]|sit this one out|say no to (?:this|that))",
    r"(?:request|prompt|question) (?:\w+ )?(?:violat|breach|goes against|is (?:\w+ )?(?:inappropriate|unethical|harmful|offensive|not (?:appropriate|ethical|acceptable)))",
    r"(?:outside|beyond)(?: of)? what i(?:'m| am)? ?(?:able|allowed|permitted|designed|meant|supposed|can)\b",
    r"my (?:training|programming|design|guidelines|instructions|rules) (?:do(?:es)?n't|won't|will not) (?:let|allow|permit|enable)",
    r"i (?:do not|don't) have (?:access to )?(?:any )?(?:live|real-time|up-to-date) (?:data|information|access|knowledge)|no (?:way|means) (?:of|to) (?:remember|recall)",
    r"still (?:\w+ )?(?:on )?learning how to (?:answer|respond)",
    r"only (?:able|allowed|designed|programmed|trained|built|meant|set up) to (?:answer|discuss|respond to) (?:questions|topics|queries|requests)",
    r"i (?:do not|don't|have no|lack|cannot|can't)(?: currently)?(?: have| possess)?(?: any| the)? ?(?:ability|capability|capacity|capabilities|means|memory) (?:to |of )(?:remember|recall|retain|store|learn|see (?:images|pictures|photos)|hear|watch|listen|perceive|taste|smell|physically|generate|predict|our (?:previous|past|earlier)|previous conversations|past conversations)",
    r"(?:falls?|is|are|lies?|goes?|go|'s|would be|sits?)(?: \w+ly| well| far)? (?:outside|beyond|against|not (?:within|in line with|aligned with|consistent with)|at odds with|contrary to|inconsistent with|in conflict with) (?:\w+ (?:of )?){0,3}?(?:ethical|safety|content|usage|acceptable use) (?:guidelines|polic(?:y|ies)|principles|rules|standards|boundaries)",
    r"my (?:\w+ ){0,2}?(?:guidelines|programming|principles|safeguards|guardrails|ethics|values)\b[^.!?\n]{0,40}?(?:\bnot\b|n't\b|prevent|prohibit|forbid|restrict|rule out|stop|keep me from|bar me)",
)
SLOTS = (
    rf"{NOT}(?:{'|'.join(_AFTER_NOT)})",
    rf"\b(?:{'|'.join(_ELSE)})",
    r"(?:\bnot|n't) (?:think|believe|feel) (?:it's|it is|it would be|that's|that would be) (?:appropriate|right|ethical|responsible)",
    r"(?:\b(?:not|never)|n't)(?: be)? (?:right|appropriate|ethical|proper|responsible|acceptable|okay) (?:of|for) me to",
    r"(?:\bnot|n't) something (?:that )?i(?:'m| am|'d| would|'ll| will| do|'ve been| have been| should)(?: (?:feel|be|willing|able|allowed|permitted|comfortable|prepared|supposed|here|happy))*(?: to| right| with)? ?(?:do|doing|help|assist|write|discuss|engage|support|create|answer|comfortable|willing|allowed|permitted|talk)",
)
# The same with what is written before the verb, where the language puts it there.
SLOTS_ELSEWHERE = (
    r"\b(?:diese[nrsm]?|solche[nrsm]?|so ?(?:et)?was|(?:da|hier)(?:bei|zu|mit)) (?:\w+ ){0,3}?(?:kann|darf|werde|möchte|will) ich (?:\w+ ){0,3}?nicht (?:schreiben|verfassen|erstellen|erzeugen|generieren|beantworten|unterstützen|übersetzen|helfen|diskutieren|kommentieren)",
    r"\bich (?:kann|darf|werde|möchte) (?:\w+ ){0,4}?nicht (?:da|hier)?(?:bei|mit|zu) (?:helfen|unterstützen|behilflich)|\bhelfe ich (?:\w+ )?nicht\b",
    r"\bje ne (?:peux|puis|suis|saurais)(?: pas)?(?: (?:capable|en mesure) de)? (?:répondre à (?:cela|ça)|(?:écrire|rédiger|générer|créer) (?:cela|ça|un tel|une telle|de tel))",
    r"\bkeine stellung (?:nehmen|beziehen)|\bno puedo participar en (?:eso|esto|est[ae]|ningún)|\bkan ik (?:daar|hier) niet (?:mee|bij) helpen|\bje ne peux pas (?:écrire|faire) cela",
    r"\b(?:die|deze|dit|dat|zo'n|zulke) (?:\w+ )?(?:tekst|verhaal|grap|inhoud|gedicht|artikel)\w* (?:kan|mag|wil|ga|zal) ik niet (?:schrijven|maken|genereren|vertalen)",
    r"\b(?:ese|este|esa|esta|tal) (?:texto|historia|contenido|chiste|artículo) no (?:lo |la )?(?:puedo|voy a) (?:escribir|crear|generar)|\b(?:esse|este|tal) (?:texto|conteúdo|artigo) não (?:posso|vou) (?:escrever|criar|gerar)|\b(?:questo|tale) (?:testo|contenuto|articolo) non (?:posso|lo) (?:scrivere|creare|scrivo)",
)
# Every text that these find has one of these, too.
SIGNS = (
    *("could not", "couldn", "would not", "wouldn", "must", "shouldn", "should not", "choose not", "do not", "don't", "don\u2019t", "don\\u2019t"),
    *("unwilling", "barred", "restricted", "hesitant", "reluctant", "not built", "not made", "not meant", "not intended", "not trained"),
    *("not equipped", "not configured", "not supposed", "not prepared", "not here", "not at liberty", "something", "for you", "only able"),
    *("only allowed", "only designed", "only programmed", "only trained", "only built", "only meant", "only set up", "i lack", "have no"),
    *("ethics", "values", "safeguards", "guardrails", "still learning", "kann ich", "darf ich", "werde ich", "helfe ich"),
    *("like me", "like myself", "claude", "chatgpt", "gpt", "gemini", "bard", "llama", "mistral", "qwen", "copilot", "deepseek", "grok"),
    *("predict", "foresee", "forecast", "cross", "steer clear", "stay", "keep", "refrain", "abstain", "remain", "avoid", "reject", "strive", "aim to"),
    *("try to", "pass", "sit this", "say no", "violat", "breach", "goes against", "what i", "my design", "live data", "real-time", "up-to-date"),
    *("assistance", "of help", "of any help", "what you", "system prompt", "filter", "declining", "turn this", "turn that", "knowledge", "connected"),
    *("experience", "harm", "hurt", "endanger", "injure", "stellung", "no way", "no means", "learning how", "not feel", "n't be", "not be", "never be", "not proper", "not responsible", "not okay"),
    *("physical", "kan ik", "mag ik", "wil ik", "ga ik", "zal ik", "no puedo", "no lo", "no la", "no voy", "vou", "non lo", "non posso", "je ne"),
    *("safety", "standards", "boundaries", "would rather", "would prefer", "rather", "prefer", "not configured", "request", "task"),
)  # fmt: skip
PERSONS_SIGNS = (
    "like me",
    "like myself",
    "claude",
    "chatgpt",
    "gpt",
    "gemini",
    "bard",
    "llama",
    "mistral",
    "qwen",
    "copilot",
    "deepseek",
    "grok",
    "physical",
)
