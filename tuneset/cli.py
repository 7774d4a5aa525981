"""The command line: thin; each command is one method of the library, and what it prints is in terminal.py."""

from __future__ import annotations

import sys
from typing import Any

import click

from tuneset import __version__
from tuneset.ends import FAILED, INTERRUPTED, Commands, bug
from tuneset.errors import RecipeError


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="tuneset %(version)s")
def main() -> None:
    """Prepare fine-tuning datasets for language models.

    \b
    tuneset prepare dataset.csv   files that a trainer accepts, and a report
    tuneset peek dataset.csv      what would be read; writes nothing
    """  # noqa: D301 - click takes the backspace for "keep these lines"
    sys.excepthook = bug


def columns(command: Any) -> Any:
    """Add the options that say which columns are what."""
    for option in (
        click.option("--group", multiple=True, metavar="COLUMN", help="Rows that share its value stay on one side."),
        click.option("--label", multiple=True, metavar="COLUMN", help="A label column; repeat for several."),
        click.option("--text", metavar="COLUMN", help="The column to learn from; guessed where not given."),
    ):
        command = option(command)
    return command


def shape(command: Any) -> Any:
    """Add the options that say how examples are written and split."""
    for option in (
        click.option("--seed", type=int, help="Seed of the split (42)."),
        click.option("--stratify", multiple=True, metavar="COLUMN", help="Keep its shares equal on every side."),
        click.option("--test", type=float, help="Share of a test side (0)."),
        click.option("--validation", type=float, help="Share of the validation side (0.2)."),
        click.option("--answer", metavar="TEMPLATE", help="What the assistant says, as in '{category}' (JSON)."),
        click.option("--system", metavar="TEXT", help="The instruction of every example."),
    ):
        command = option(command)
    return command


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


@main.command()
@click.argument("inputs", nargs=-1, required=True)
@click.option("--out", type=click.Path(), help="The run folder (INPUT-tuneset beside the input).")
@columns
@shape
@click.option("--previous", type=click.Path(), metavar="RUN", help="Keep the sides that another run decided.")
@click.option("--against", multiple=True, metavar="FILE", help="Flag examples that stand in it, such as a benchmark.")
@click.option("--target", multiple=True, metavar="FILE", help="Live inquiries that the set should look like.")
@click.option("--embedder", metavar="MODEL", help="A model that knows what texts mean: folder, Hub name or URL.")
@click.option("--resplit", is_flag=True, help="Draw the split anew instead of keeping it.")
@click.option("--refetch", is_flag=True, help="Fetch addresses again, for what is new there; the sides stay.")
@click.option(
    "--until", metavar="STAGE", help="Stop after this stage, such as get; the same command goes on from there."
)
@click.option("--engine", default="local", metavar="NAME", help="Where steps run: local, native, ray, ray://HOST:PORT.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched from elsewhere, and stop.")
@as_json
def prepare(inputs: tuple[str, ...], as_json: bool, dry_run: bool, **options: Any) -> None:
    """Turn a table or conversations into files that a trainer accepts.

    INPUTS are files, globs, folders, - for standard input, a recipe (*.toml), or a run folder to bring up to date.
    """
    from tuneset import run, terminal
    from tuneset.fetch import said

    source = inputs[0] if len(inputs) == 1 else list(inputs)
    if dry_run:
        said.ahead(run.ahead(source), inputs, as_json=as_json)
        return
    with terminal.progress(quiet=as_json) as watch:
        dataset = run.prepare(source, watch=watch, **options)
    if options["until"]:
        terminal.stopped(dataset, options["until"], as_json=as_json)
    elif not terminal.closing(dataset, dataset.summary, as_json=as_json):
        sys.exit(FAILED)


@main.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--site", multiple=True, metavar="URL", help="A page whose descriptions of datasets are read, too.")
@click.option("--place", multiple=True, type=click.Choice(["hub", "kaggle", "pages"]), help="Look here only.")
@click.option("--limit", default=10, show_default=True, help="Show so many.")
@as_json
def search(words: tuple[str, ...], site: tuple[str, ...], place: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find public datasets by WORDS, before anything is downloaded.

    Looks on Hugging Face and Kaggle, and on pages that you name.
    """
    from tuneset import terminal
    from tuneset.fetch import said
    from tuneset.fetch.search import search

    with terminal.waiting(quiet=as_json) as wait:
        wait("looking")
        found = search(" ".join(words), site=site, place=place, limit=limit)
    said.candidates(found, as_json=as_json)


@main.command()
@click.argument("seeds", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(), required=True, help="The folder of the pages; the same command goes on in it."
)
@click.option(
    "--contact", default="", metavar="WORDS", help="Where a site's owner can write to you; sent with every request."
)
@click.option("--depth", type=int, help="Links away from a seed (3).")
@click.option("--pages", type=int, help="Pages of a host (2,000).")
@click.option("--include", metavar="REGEX", help="Addresses must match it.")
@click.option("--exclude", metavar="REGEX", help="Addresses must not match it.")
@click.option("--domains", multiple=True, metavar="NAME", help="A domain beside those of the seeds.")
@click.option("--own", multiple=True, metavar="HOST:PORT", help="A place of yours: it may have a private address.")
@click.option(
    "--browser", is_flag=True, default=None, help="Draw every page in Chromium, for words that come by script."
)
@click.option("--warc", type=click.Path(), metavar="FILE", help="Write the pages into this .warc.gz, too.")
@click.option("--again", is_flag=True, help="Ask for pages that have changed.")
@click.option("--dry-run", is_flag=True, help="Say what would be met; no page is asked for.")
@as_json
def scrape(seeds: tuple[str, ...], as_json: bool, dry_run: bool, out: str, **options: Any) -> None:
    """Collect pages from SEEDS on, politely, for `tuneset prepare`.

    SEEDS are addresses, for which --contact is needed, or WARC files (*.warc, *.warc.gz), which are read. robots.txt, pauses
    and the owners' words on training are obeyed; nothing inside your network is reached.
    """
    from tuneset.crawl import said, site

    how = {name: options.pop(name) for name in ("again", "warc")}
    limits = {name: value for name, value in options.items() if value not in (None, ())}
    if dry_run:
        said.would(site.plan(seeds, **limits), as_json=as_json)
        return
    with said.crawling(quiet=as_json) as watch:
        done = site.scrape(seeds, out, watch=watch, **how, **limits)
    said.crawled(done, out, as_json=as_json)
    if done.stopped == "interrupted" or not done.rows:
        sys.exit(INTERRUPTED if done.stopped == "interrupted" else FAILED)


@main.command()
@click.argument("folder", type=click.Path())
@click.argument("url")
@as_json
def forget(folder: str, url: str, as_json: bool) -> None:
    """Take the page URL, and all that came of it, out of a crawl or a run.

    FOLDER is what `tuneset scrape` made, or a run that was prepared from it.
    """
    from tuneset import terminal
    from tuneset.crawl import said, site

    with terminal.progress(quiet=as_json) as watch:
        left = site.forget(folder, url, watch=watch)
    said.forgotten(url, left, as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@click.argument("threshold", type=click.FloatRange(0, 1, min_open=True))
@as_json
def rethreshold(run: str, threshold: float, as_json: bool) -> None:
    """Say anew how alike near-duplicates of RUN are, between 0 and 1."""
    from tuneset import Dataset, terminal

    dataset = Dataset.open(run)
    with terminal.progress(quiet=as_json) as watch:
        dataset.rethreshold(threshold, watch=watch)
    terminal.closing(dataset, dataset.summary, as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@as_json
def typos(run: str, as_json: bool) -> None:
    """Print the map of all typo corrections of RUN, to edit and put in its recipe."""
    from tuneset import Dataset, terminal

    terminal.corrections(Dataset.open(run).typos(), run, as_json=as_json)


@main.command()
@click.argument("inputs", nargs=-1, required=True)
@columns
@as_json
def peek(inputs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Show columns, guesses and first rows of INPUTS; write nothing."""
    from tuneset import run, terminal

    with terminal.waiting(quiet=as_json) as wait:
        read = run.peek(list(inputs), say=wait, **options)
    terminal.peeked(read, as_json=as_json)


@main.command()
@click.argument("inputs", nargs=-1, required=True)
@click.option("--out", type=click.Path(), default="recipe.toml", show_default=True, help="The file to write.")
@columns
@shape
def init(inputs: tuple[str, ...], out: str, **options: Any) -> None:
    """Write a recipe for INPUTS, every default filled in, to edit."""
    from tuneset import run, terminal

    terminal.written(run.init(list(inputs), out=out, **options))


@main.command()
@click.argument("run", type=click.Path())
@click.option("--rule", help="Only this rule's.")
@click.option("--limit", type=click.IntRange(min=0), help="How many to show: 20, with --json all; 0 for all.")
@as_json
def findings(run: str, rule: str | None, limit: int | None, as_json: bool) -> None:
    """List what was found in RUN, what waits for an answer first."""
    from tuneset import Dataset, terminal

    terminal.found(Dataset.open(run).findings(rule), run, limit, as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@click.argument("finding")
@click.argument("verdict", type=click.Choice(["accept", "reject", "edit", "drop", "undo"]))
@click.option("--after", metavar="VALUE", help="The value of your own, with edit.")
@click.option("--by", metavar="NAME", help="Who decides (the login name).")
@click.option("--why", metavar="TEXT", help="The reason, for those who come later.")
@as_json
def decide(run: str, finding: str, verdict: Any, as_json: bool, **options: Any) -> None:
    """Answer a FINDING of RUN: accept, reject, edit, drop, or undo.

    FINDING is its id, or the first digits of it.
    """
    from tuneset import Dataset, terminal

    terminal.decided(Dataset.open(run).decide(finding, verdict, **options), run, as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@click.option("--by", metavar="NAME", help="Who decides (the login name).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where on this machine: a free port.")
@click.option("--to", "out", metavar="FILE", help="Ask elsewhere: a file for another tool, or people:DATABASE#PROJECT.")
@click.option("--from", "back", metavar="FILE", help="Take the answers from there.")
@click.option("--tool", type=click.Choice(["csv", "label-studio", "argilla"]), help="Which tool.")
def review(run: str, out: str | None, back: str | None, tool: str | None, **options: Any) -> None:
    """Answer in a browser what RUN asks: labels in doubt, typos, twins.

    It writes decisions only; `tuneset prepare RUN` carries them out. Needs `pip install 'tuneset[people]'`, but for
    files: --to and --from.
    """
    from tuneset import Dataset, terminal

    if (out and back) or (tool and not (out or back)):
        raise click.UsageError("--to asks, --from takes the answers; --tool goes with one of them")
    if out and out.startswith("people:"):
        return terminal.asked(Dataset.open(run).review_to(out), run)
    if out:
        return terminal.went_out(Dataset.open(run).review_out(out, tool or "csv"), run)
    if back:
        return terminal.came_back(Dataset.open(run).review_in(back, tool), run)
    Dataset.open(run).review(ready=terminal.reviewing, **options)
    return terminal.reviewed(run)


@main.command()
@click.argument("database")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="A free port.")
@click.option("--public", metavar="URL", help="The https address of your proxy, by which others come.")
@click.option("--own", multiple=True, metavar="HOST:PORT", help="A place of yours inside that webhooks may reach.")
def collect(database: str, **options: Any) -> None:
    """Let people label in a browser.

    DATABASE is a file, made where there is none, or postgresql://USER@HOST/NAME. Needs `pip install 'tuneset[people]'`.
    """
    from tuneset import collecting, terminal

    collecting.collect(database, ready=terminal.collecting, **options)


@main.command()
@click.argument("run", type=click.Path())
@as_json
def labels(run: str, as_json: bool) -> None:
    """Draft RUN/labels.md: what each label means, to be edited by people."""
    from tuneset import Dataset, terminal

    terminal.guided(Dataset.open(run).labels(), run, as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@click.option("--rows", type=click.IntRange(min=1), required=True, help="How many train rows to choose.")
@click.option("--out", type=click.Path(), help="The file to write (RUN/train-ROWS.jsonl).")
@as_json
def select(run: str, rows: int, out: str | None, as_json: bool) -> None:
    """Choose the train rows of RUN that stand for the others best."""
    from tuneset import Dataset, terminal

    terminal.selected(Dataset.open(run).select(rows, out=out), as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@click.argument("predictions", type=click.Path())
@click.option("--baseline", type=click.Path(), metavar="FILE", help="Answers of another model, to compare with.")
@as_json
def score(run: str, predictions: str, as_json: bool, **options: Any) -> None:
    """Score a model's answers to the validation inquiries of RUN.

    PREDICTIONS has a line for each line of validation.jsonl, in its order or with its id.
    """
    from tuneset import Dataset, terminal

    terminal.scored(Dataset.open(run).score(predictions, **options), as_json=as_json)


@main.command()
@click.argument("before", type=click.Path())
@click.argument("now", type=click.Path())
@as_json
def compare(before: str, now: str, as_json: bool) -> None:
    """Say what became more, less, better or worse from run BEFORE to run NOW."""
    from tuneset import Dataset, terminal

    terminal.compared(Dataset.open(now).compare(before), as_json=as_json)


@main.command()
@as_json
def targets(as_json: bool) -> None:
    """List the trainers and platforms that files can be written for."""
    from tuneset.targets import TARGETS, said

    said.listed(TARGETS, as_json=as_json)


@main.command()
@click.argument("run", type=click.Path())
@click.option("--target", "names", multiple=True, required=True, metavar="NAME", help="Whom for; repeat for several.")
@click.option("--out", type=click.Path(), help="The folder to write into (RUN/exports).")
@click.option(
    "--model", type=click.Path(), metavar="FOLDER", help="Whose chat template serving must use: its hash is kept."
)
@as_json
def export(run: str, names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Write RUN's examples as trainers and platforms read them.

    `tuneset targets` lists the names. Every file is checked; exit code 1 where a target would refuse one.
    """
    from tuneset import Dataset, terminal
    from tuneset.targets import said

    with terminal.waiting(quiet=as_json) as watch:
        done = Dataset.open(run).export(names, watch=watch, **options)
    said.exported(done, as_json=as_json)
    sys.exit(int(any(each["errors"] for each in done)))


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--target", "to", metavar="NAME", help="Whose rules; by the shape of the first row where not given.")
@click.option("--model", type=click.Path(), metavar="FOLDER", help="A tokenizer and chat template to see the rows by.")
@click.option("--tokenizer", metavar="NAME", help="Counts tokens: an encoding, a model, or a folder (o200k_base).")
@click.option(
    "--price", "trains", metavar="MODEL", help="The model to be trained, as its --target names it: what that costs."
)
@click.option("--prices", type=click.Path(), metavar="FILE", help="Prices of your own, in TOML.")
@click.option("--epochs", type=click.IntRange(min=1), help="How often each example is trained on.")
@click.option("--fix", is_flag=True, help="Write mended copies, and what could not be mended apart.")
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Problems shown; 0 for all.")
@as_json
def check(files: tuple[str, ...], form: str, limit: int, as_json: bool, **options: Any) -> None:
    """Check FILES, whoever wrote them, as strictly as a target does.

    The first of several is trained on. Exit code 1 where something would be refused.
    """
    from tuneset.targets import files as finished
    from tuneset.targets import said

    if as_json and form == "sarif":
        raise RecipeError("two forms are asked for at once", "--json --format sarif", "give one of them")
    bill = finished.Bill(*(options.pop(key) for key in ("tokenizer", "trains", "prices", "epochs")))
    checked = finished.priced(finished.check(files, **options), bill)
    said.checked(checked, "json" if as_json else form, limit)
    sys.exit(int(checked.errors > 0))


@main.command()
@click.argument("run", type=click.Path())
@click.option("--row", type=click.IntRange(min=1), required=True, help="The line of the file.")
@click.option("--model", type=click.Path(), required=True, metavar="FOLDER", help="A tokenizer and chat template.")
@click.option("--side", type=click.Choice(["train", "validation", "test"]), default="train", show_default=True)
@as_json
def show(run: str, as_json: bool, **options: Any) -> None:
    """Show what a model sees of a row of RUN, and which of its tokens are trained."""
    from tuneset import Dataset
    from tuneset.targets import said

    said.shown(Dataset.open(run).show(**options), as_json=as_json)


def asked(command: Any) -> Any:
    """Add the options that say which model writes, which one judges, and what may be spent."""
    for name, words, kind in (
        ("--most-requests", "Send no more than N requests in all.", int),
        ("--most-tokens", "Spend no more than N tokens in all.", int),
        ("--most-cost", "Spend no more than this in all, in the currency of the prices.", float),
        ("--judge-price-out", "Price of a million tokens that the judge writes.", float),
        ("--judge-price-in", "Price of a million tokens that the judge reads.", float),
        ("--judge-key-env", "The variable with the judge's key (the writer's).", str),
        ("--judge-url", "The judge's server (the writer's).", str),
        ("--judge-model", "Another model, which labels the rows anew; else a classifier does.", str),
        ("--price-out", "Price of a million tokens that the model writes.", float),
        ("--price-in", "Price of a million tokens that the model reads.", float),
        ("--key-env", "The variable that holds the key (OPENAI_API_KEY).", str),
        ("--url", "An OpenAI-compatible server (https://api.openai.com/v1).", str),
        ("--model", "The model that writes, as its server calls it.", str),
    ):
        command = click.option(name, type=kind, help=words)(command)
    return command


@main.command()
@click.argument("run", type=click.Path())
@click.option("--per-label", type=int, metavar="N", help="Fill each label up to N train examples.")
@click.option("--rows", type=int, metavar="N", help="Write N rows, over the labels by their shares.")
@click.option("--gaps", is_flag=True, help="Fill what judging found to be thin.")
@click.option("--rewrite", is_flag=True, help="Rewrite the answers of conversations to the style guide instead.")
@click.option("--style", type=click.Path(), metavar="FILE", help="A style guide for answers of conversations.")
@asked
@click.option(
    "--strategy", "strategies", multiple=True, metavar="NAME", help="attributes, paraphrase, boundary, document."
)
@click.option("--document", "documents", multiple=True, metavar="FILE", help="What document writes from.")
@click.option("--batch", is_flag=True, help="Ask in batches: half the price, within hours.")
@click.option("--prompts", type=click.Path(), metavar="FOLDER", help="Prompts of your own, taken before ours.")
@click.option("--name", default="synthetic", show_default=True, help="Of the source that the rows are.")
@click.option("--dry-run", is_flag=True, help="Show three whole requests and what it may cost; send nothing.")
@as_json
def generate(run: str, as_json: bool, dry_run: bool, **options: Any) -> None:
    """Have a model write rows that RUN lacks, check them, and prepare it again.

    Seeds are train rows only. What was answered is kept and not paid again.
    """
    from tuneset import Dataset, terminal
    from tuneset.generate import said

    dataset = Dataset.open(run)
    if dry_run:
        said.would(dataset.would_generate(**options), as_json=as_json)
        return
    came: list[Any] = []
    with terminal.progress(quiet=as_json) as watch:
        dataset.generate(watch=said.noting(watch, came), **options)
    if not terminal.closing(dataset, dataset.summary, as_json=as_json) or said.in_vain(came):
        sys.exit(FAILED)


@main.command()
@click.argument("run", type=click.Path())
@click.option(
    "--to",
    required=True,
    metavar="PLACE",
    help="hub:ORG/NAME, openai, azure, together, fireworks, mistral, gs://…, s3://…",
)
@click.option("--target", metavar="NAME", help="The export to send; the place's own where not given.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@as_json
def publish(run: str, to: str, as_json: bool, **options: Any) -> None:
    """Send an export of RUN to where it is trained or shared.

    Secrets come from the environment only. What was sent before is not sent again.
    """
    from tuneset import Dataset, terminal
    from tuneset.targets import said

    with terminal.waiting(quiet=as_json) as watch:
        planned = Dataset.open(run).publish(to, watch=lambda event: watch(event.file), **options)
    said.published(planned, as_json=as_json)


@main.command()
@click.argument("rule", required=False)
@as_json
def explain(rule: str | None, as_json: bool) -> None:
    """Explain a RULE: why it hurts, what is done, its limits.

    Without a rule: list them.
    """
    from tuneset import recipe, terminal

    terminal.explained(recipe.explain(rule), [] if rule else recipe.check_pages(), as_json=as_json)


if __name__ == "__main__":
    main()
