"""What a recipe wants of a model: how many rows, of which labels, written and judged by whom, for how much money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuneset.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.ask import Budget, Model

Share = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Strategy = Literal["attributes", "paraphrase", "boundary", "document"]


NO_DOCUMENT = "the strategy document needs documents to write from"


class Asked(BaseModel):
    """A model that is asked: `[sources.generate.writer]` and `[sources.generate.judge]` of a recipe."""

    model_config = ConfigDict(extra="forbid")
    model: str  # its name on the server
    url: str = "https://api.openai.com/v1"
    key_env: str = "OPENAI_API_KEY"  # the variable that holds the key; "" asks without one
    price_in: Share | None = None  # of a million tokens, in any one currency
    price_out: Share | None = None
    price_cached: Share | None = None
    batch_price: Annotated[float, Field(gt=0, le=1)] = 0.5  # of a request in a batch, as a share of the price
    context: Count = 0  # tokens of prompt and answer together (0: not known)
    limit: str = "max_tokens"  # what the server calls the limit; OpenAI's newer models: max_completion_tokens
    plain_http: bool = False  # lets texts and key go unencrypted to another machine
    parameters: dict[str, Any] = {}  # such as temperature

    def asked(self) -> Model:
        """Return the model as it is asked."""
        from tuneset.ask import Model  # noqa: PLC0415  the recipe needs this module, and few recipes ask a model

        return Model(**self.model_dump(exclude={"model", "parameters"}), name=self.model)


class Wanted(BaseModel):
    """`[sources.generate]` of a recipe: the rows that a model is to write."""

    model_config = ConfigDict(extra="forbid", validate_default=True)
    writer: Asked
    judge: Asked | None = None  # labels the rows anew without knowing the label asked for; none: a classifier does
    per_label: Count = 0  # fill each label up to so many examples of the train side
    rows: Count = 0  # write so many, over all labels by their shares
    gaps: bool = False  # fill what judging found to be thin
    rewrite: bool = False  # rewrite the answers of conversations to the style guide instead
    style: str = ""  # a file: how answers of conversations are to be written
    strategies: list[Strategy] = ["attributes", "boundary"]  # taken in turn
    attributes: dict[str, list[str]] = {}  # what to vary besides, or instead: name = [values]
    documents: list[str] = []  # files and folders that `document` writes from
    prompts: str = ""  # a folder whose files are taken before ours
    batch: bool = False  # ask in batches, at half the price and within hours, where the server has them
    per_request: Annotated[int, Field(ge=1, le=50)] = 5  # rows that one request asks for
    seeds: Count = 4  # examples that one request shows
    most_cost: Share | None = None  # the most that may be spent in all, in the currency of the prices
    most_tokens: Count | None = None
    most_requests: Count | None = None
    seed: Count = 42

    @model_validator(mode="after")
    def _says_how_many(self) -> Wanted:
        if sum(map(bool, (self.per_label, self.rows, self.gaps, self.rewrite))) != 1:
            raise ValueError("give one of per_label, rows, gaps and rewrite")
        if self.rewrite and not self.style:
            raise ValueError("rewrite needs style, a file that says how answers are to be written")
        if not self.strategies:
            raise ValueError("name a strategy, as attributes")
        if "document" in self.strategies and not self.documents:
            raise ValueError(NO_DOCUMENT)
        return self

    def budget(self) -> Budget:
        """Return the most that may be spent."""
        from tuneset.ask import Budget  # noqa: PLC0415

        return Budget(self.most_cost, self.most_tokens, self.most_requests)


def ahead(wanted: Wanted) -> tuple[str, tuple[()], str, str, tuple[str, ...]]:
    """Say which models would be asked, and for how much at most, as `fetch` says what it would bring.

    >>> ahead(Wanted(writer=Asked(model="small"), rows=50, most_cost=3.0))[-1]
    ('writes 50 rows with 10 requests or some more from the train side, behind the split', 'at most 3 in the currency of its prices')
    """
    from tuneset.ask.budget import figure  # noqa: PLC0415

    asked = [wanted.writer, *([wanted.judge] if wanted.judge else [])]
    limits = (
        (wanted.most_cost, "in the currency of its prices"),
        (wanted.most_tokens, "tokens"),
        (wanted.most_requests, "requests"),
    )
    most = [f"at most {figure(limit)} {what}" for limit, what in limits if limit is not None]
    does = "rewrites answers of the train side" if wanted.rewrite else f"writes {_how_many(wanted)} from the train side"
    named = " and ".join(f"{each.model} at {each.url}" for each in asked)
    return named, (), "", "", (f"{does}, behind the split", *most)


def _how_many(wanted: Wanted) -> str:
    if wanted.rows:
        requests = -(-wanted.rows // wanted.per_request)
        return f"{wanted.rows:,} rows with {requests:,} requests or some more"
    return f"rows until each label has {wanted.per_label:,}" if wanted.per_label else "rows"


MANY = ("per_label", "rows", "gaps", "rewrite")
ASKED = ("model", "url", "key_env", "price_in", "price_out")


def of(known: Wanted | None, **options: Any) -> Wanted:
    """Make what is wanted of options as the command line has them; what they leave out is as it was `known`, or the default.

    `model`, `url`, `key_env`, `price_in` and `price_out` are of the writer, with `judge_` before them of the judge, which is
    on the writer's server where it has no url of its own. All others have the names of the recipe.

    Raises RecipeError for an option that there is not, and for values that cannot be.

    >>> of(None, model="small", per_label=50).writer.url
    'https://api.openai.com/v1'
    """
    given = {key: value for key, value in options.items() if value is not None and value is not False and value != ()}
    values = known.model_dump() if known else {}
    names = [*Wanted.model_fields, *ASKED, *(f"judge_{each}" for each in ASKED)]
    for key in given:
        if key not in names or key in ("writer", "judge"):
            raise unknown("option", key, names, "generate")
    _refuse_nothing(given)
    if any(key in given for key in MANY):
        values |= dict.fromkeys(MANY[:2], 0) | dict.fromkeys(MANY[2:], False)
    writer = (values.get("writer") or {}) | {key: given.pop(key) for key in ASKED if key in given}
    judge = {key: given.pop(f"judge_{key}") for key in ASKED if f"judge_{key}" in given}
    if judge:
        same = {key: writer[key] for key in ("url", "key_env") if key in writer}
        judge = same | (values.get("judge") or {}) | judge
    values |= {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
    if "model" not in writer:
        raise RecipeError("no model is named to write the rows", "generate", "--model NAME, as the server calls it")
    try:
        return Wanted.model_validate(values | {"writer": writer} | ({"judge": judge} if judge else {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "generate"
        said = first["msg"].removeprefix("Value error, ")
        if where.rpartition(".")[2].startswith(("price", "most", "batch_price")):
            what = f"a limit or a price is no number from 0 up: {first['input']}"
            raise RecipeError(what, where, "write it as 2.5") from None
        if NO_DOCUMENT in said:
            raise RecipeError(said, where, "--document FILE, or another --strategy") from None
        raise RecipeError(said[:1].lower() + said[1:], where, _hint(where)) from None


def _refuse_nothing(given: Mapping[str, Any]) -> None:
    """Raise RecipeError where no rows are asked for."""
    for key in MANY[:2]:
        if isinstance(given.get(key), int) and given[key] < 1:
            what = f"{given[key]} rows are nothing to write"
            raise RecipeError(what, f"{key} (--{key.replace('_', '-')})", "give a number from 1 up")


def _hint(where: str) -> str:
    """Say what to write where an option cannot be what it is."""
    if where.startswith("strategies"):
        return f"one of {', '.join(get_args(Strategy))}"
    if where == "generate":
        return "--per-label N, --rows N, --gaps, or --rewrite --style FILE"
    return "tuneset generate --help says what each option takes"
