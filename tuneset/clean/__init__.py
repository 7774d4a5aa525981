"""Stage 2: repair what is certain, flag what needs a person, and drop what has nothing to learn from."""

from tuneset.clean.answers import BoilerplateAnswer, Refusal
from tuneset.clean.furniture import PageFurniture
from tuneset.clean.gibberish import Gibberish
from tuneset.clean.language import Language
from tuneset.clean.length import TooLong, TooShort
from tuneset.clean.links import TrackingParameters
from tuneset.clean.mail import Greeting, QuotedReply, Signature
from tuneset.clean.personal import PersonalData, Secret
from tuneset.clean.steps import EmptyText, EncodingDamage, InvisibleCharacters, Markup, MissingLabel, WhiteSpace
from tuneset.clean.template import TemplateLine
from tuneset.clean.typos import Typo
from tuneset.generate.checks import ModelTalk, OffLabel

__all__ = [
    "STEPS",
    "BoilerplateAnswer",
    "EmptyText",
    "EncodingDamage",
    "Gibberish",
    "Greeting",
    "InvisibleCharacters",
    "Language",
    "Markup",
    "MissingLabel",
    "ModelTalk",
    "OffLabel",
    "PageFurniture",
    "PersonalData",
    "QuotedReply",
    "Refusal",
    "Secret",
    "Signature",
    "TemplateLine",
    "TooLong",
    "TooShort",
    "TrackingParameters",
    "Typo",
    "WhiteSpace",
]

STEPS = (
    # what is certain, applied unless a person says no
    EncodingDamage,
    Markup,
    InvisibleCharacters,
    WhiteSpace,
    TrackingParameters,
    # what must not leave the house
    PersonalData,
    Secret,
    # words that carry nothing
    QuotedReply,
    Signature,
    Greeting,
    PageFurniture,
    TemplateLine,
    Typo,
    # rows with nothing to learn from
    EmptyText,
    MissingLabel,
    TooShort,
    TooLong,
    Language,
    Gibberish,
    Refusal,
    BoilerplateAnswer,
    # what a model wrote, and should not have
    ModelTalk,
    OffLabel,
)
