"""A handle on a run folder: one method per command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tuneset import model, recipe
from tuneset.apply import close, fates, settle
from tuneset.errors import RunError, need, unknown
from tuneset.folder import Folder, whole, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuneset.generate.made import Would
    from tuneset.judge.judging import Seen
    from tuneset.publish import Event as Sent
    from tuneset.publish import Plan
    from tuneset.recipe import Recipe
    from tuneset.review.exchange import Exported, Taken
    from tuneset.review.people import Asked
    from tuneset.run import Event
    from tuneset.targets import masks


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset: a run folder and what can be asked of it.

    >>> import tempfile, tuneset
    >>> rows = [{"inquiry": f"where is order {n}?", "category": "Orders"} for n in range(20)]
    >>> dataset = tuneset.prepare(rows, out=tempfile.mkdtemp() + "/run")
    >>> dataset.summary["balance"]["in"]
    20
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Dataset:
        """Open the run folder at `path`.

        Raises RunError where there is none.
        """
        folder = Folder(Path(path))
        if not folder.is_run():
            hint = "give the folder that `tuneset prepare` made"
            raise RunError("this is not a run folder", str(path), hint)
        return cls(Path(path))

    @property
    def folder(self) -> Folder:
        """The files of the run."""
        return Folder(self.path)

    @property
    def summary(self) -> dict[str, Any]:
        """What the report says, as plain values: verdict, balance, next actions, evidence."""
        path = self.folder.inside / "report.json"
        if not path.exists():
            raise RunError("this run is not complete", str(self.path), f"tuneset prepare {self.path}")
        return orjson.loads(path.read_bytes())  # type: ignore[no-any-return]

    @property
    def report(self) -> Path:
        """The report: one HTML file that needs no network."""
        return self.path / "report.html"

    def _repr_html_(self) -> str:
        """Show verdict, counts and next actions in a notebook."""
        from tuneset.report.page import snippet  # noqa: PLC0415

        return snippet(self.summary)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run, every default filled in."""
        return recipe.read(self.path / "recipe.toml")

    def examples(self, side: str | None = None) -> pl.DataFrame:
        """Return the examples that were kept, with their `side`, in the order of the files.

        `side`: train, validation or test; all of them where it is left out.
        """
        kept, sides = self.folder.table("format", "examples"), self.folder.table("split", "split")
        if kept is None or sides is None:
            raise RunError("this run is not complete", str(self.path), f"tuneset prepare {self.path}")
        placed = kept.join(sides.select("id", "side"), on="id", how="left").sort("id")
        return placed.filter(pl.col("side") == side) if side else placed

    def findings(self, rule: str | None = None) -> pl.DataFrame:
        """Return what was found, with the `state` of each finding and the `text` of its example; worst first.

        state: applied, waiting, overruled or settled; `stale` where a decision was made on something that has changed.
        """
        said, kept = settle(self.folder.findings(), self.folder.decisions()), self.folder.table("format", "examples")
        said = said if kept is None else close(said, kept)
        if rule is not None and rule not in said["rule"]:
            pages = [*recipe.explain(), *recipe.check_pages()]
            own = [each for stage in recipe.STAGES_WITH_STEPS for each in getattr(self.recipe, stage).steps]
            known = {page["rule"] for page in pages} | set(own) | set(said["rule"])
            if rule not in known:
                raise unknown("rule", rule, known, str(self.path))
            said = said.clear()
        if rule is not None:
            said = said.filter(pl.col("rule") == rule)
        everything = self.folder.table("get", "examples")
        if everything is None:
            raise RunError("this run is not complete", str(self.path), f"tuneset prepare {self.path}")
        texts = everything.select("id", "text", "label")
        shown = said.join(texts, left_on="example", right_on="id", how="left", maintain_order="left").join(
            texts.select("id", twin_text="text"),
            left_on=pl.col("others").list.first(),
            right_on="id",
            how="left",
            maintain_order="left",
        )
        return shown.sort(
            pl.col("state").replace_strict({"waiting": 0, "applied": 1}, default=2, return_dtype=pl.Int8),
            "rule",
            pl.col("score").fill_null(0),
            "id",
            descending=[False, False, True, False],
        )

    def decide(
        self,
        finding: str,
        verdict: model.Verdict,
        *,
        after: str | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> dict[str, Any]:
        """Answer a finding: accept it, reject it, edit with a value of your own (`after`), drop its example, or undo.

        `finding` is its id or the first digits of it. The answer is appended to `decisions.jsonl` and takes effect when
        the run is prepared again; undo is as if nobody had answered. Returns the line that was written.
        """
        from tuneset.review.decisions import decide  # noqa: PLC0415  only who answers needs it

        said = self.folder.findings()
        found = said.filter(pl.col("id").str.starts_with(finding)) if finding else said.clear()
        if found.height != 1:
            what = "no finding has this id" if found.is_empty() else f"{found.height} findings begin with this id"
            raise RunError(what, finding or "an empty id", f"tuneset findings {self.path}")
        everything = self.folder.table("get", "examples")
        if everything is None:
            raise RunError("this run is not complete", str(self.path), f"tuneset prepare {self.path}")
        asked = found.join(everything.select("id", "labels"), left_on="example", right_on="id", how="left")
        return decide(self.path, asked, verdict, after=after, by=by, why=why)[0]

    def review(self, *, by: str | None = None, port: int = 0, ready: Callable[[str], None] = lambda _: None) -> None:
        """Ask a person about what was found, in a browser on this machine, until Ctrl-C.

        Answers are appended to `decisions.jsonl`, as those of `decide` are. `ready` is called with the link, which carries
        the key without which nothing is shown; `port` 0 is a free one. Needs the extra `people`.
        """
        need("starlette", "people")
        from tuneset.web import review, serve  # noqa: PLC0415  the extra's packages

        asked, key = review.Review(self, by), review.new_key()
        taken = serve.listen(serve.LOOPBACK[0], port)
        taken_port = taken.getsockname()[1]
        app = review.app(asked, key, serve.names(serve.LOOPBACK[0], taken_port))
        serve.serve(app, taken, lambda: ready(f"http://{serve.LOOPBACK[0]}:{taken_port}/?key={key}"))

    def review_out(self, path: str | Path, tool: str = "csv") -> Exported:
        """Write what was found and waits as a file for `tool`: label-studio, argilla or csv."""
        from tuneset.review import exchange, queue  # noqa: PLC0415  only who reviews needs them

        return exchange.export(queue.read(self), Path(path), tool)

    def review_to(self, address: str) -> Asked:
        """Ask the people of a project of `tuneset collect` what was found and waits; made where there is none, and brought up to date.

        `address`: people:FILE#NAME or people:postgresql://USER@HOST/NAME#NAME. Needs the extra `people`.
        """
        need("sqlalchemy", "people")
        from tuneset.review import people  # noqa: PLC0415  the extra's packages

        return people.ask(self, address)

    def review_in(self, path: str | Path, tool: str | None = None) -> Taken:
        """Take the answers of a file that came back from a tool, a decision for each; `tool` is found out from the file.

        `people:FILE#NAME` is a project of `tuneset collect` instead.
        """
        if str(path).startswith("people:"):
            need("sqlalchemy", "people")
            from tuneset.review import people  # noqa: PLC0415  the extra's packages

            return people.take(self, str(path))
        from tuneset.review import exchange  # noqa: PLC0415  only who reviews needs it

        return exchange.take(self, Path(path), tool)

    def typos(self) -> pl.DataFrame:
        """Return the one map of all typo corrections: `word`, `meant`, in how many `examples`, `score`, `when`.

        Lines of it, edited, go into the recipe as `[clean.typo.replacements]` and are then always applied.
        """
        from tuneset.clean.typos import replacements  # noqa: PLC0415  half a second that other commands need not pay

        return replacements(self.folder.findings())

    def rethreshold(self, threshold: float, watch: Callable[[Event], None] = lambda _: None) -> Dataset:
        """Say anew how alike near-duplicates are; going up from 0.7, nothing is searched or compared again.

        The recipe of the run is changed, and the stages behind are run again.
        """
        from tuneset.run import prepare  # noqa: PLC0415  it imports this module

        return prepare(self.path, threshold=threshold, watch=watch)

    def generate(
        self, *, name: str = "synthetic", watch: Callable[[Event], None] = lambda _: None, **options: Any
    ) -> Dataset:
        """Have a model write the rows that the run lacks, check them, and prepare the run again with them.

        `options`: those of the command, as `per_label=50, model="small", most_cost=5.0`; `[sources.generate]` of a recipe
        lists them all. `name`: of the source that the rows are. Seeds are real rows of the train side only, and what is
        written stays on it. What was answered is kept in the run folder and never paid again; called once more, it asks
        for what is missing by then.

        Raises RunError where the run is not prepared, the key is missing or the server refuses; RecipeError for options
        that there are not, and for a budget that sets no limit.
        """
        from tuneset.run import generate  # noqa: PLC0415  it imports this module

        return generate(self, name=name, watch=watch, **options)

    def would_generate(self, *, name: str = "synthetic", **options: Any) -> Would:
        """Say what `generate` would ask, with three whole requests and the most that it can cost; nothing is sent."""
        from tuneset.run import would_generate  # noqa: PLC0415  it imports this module

        return would_generate(self, name=name, **options)

    def fates(self) -> pl.DataFrame:
        """Say for each example that came in whether it was kept, dropped or merged: `id`, `fate`, `rule`, `says`, `twin`."""
        everything, kept = self.folder.table("get", "examples"), self.folder.table("format", "examples")
        if everything is None or kept is None:
            raise RunError("this run is not complete", str(self.path), f"tuneset prepare {self.path}")
        return fates(everything, settle(self.folder.findings(), self.folder.decisions()), kept["id"])

    def labels(self) -> Path:
        """Draft `labels.md`: a definition, examples and counterexamples for each label that the file lacks.

        What people wrote in it stays. Returns its path. Raises RunError where the run has no labels.
        """
        from tuneset.judge import guide, view  # noqa: PLC0415

        looked = self._looked().examples
        columns = view.labels(looked)
        if not columns:
            raise RunError("this run has no label columns", str(self.path), "tuneset prepare INPUT --label COLUMN")
        path = self.path / "labels.md"
        drafted = guide.drafted(view.view(looked), columns, guide.read(path))
        write(path, guide.written(drafted).encode())
        return path

    def select(self, rows: int, *, out: str | Path | None = None) -> dict[str, Any]:
        """Choose the train examples that stand for the others best, and write them as the target reads them.

        Facility location within each label. Returns what a random draw of as many would have covered besides. `out`:
        the file, `train-ROWS.jsonl` in the run folder where not given.
        """
        from tuneset.judge.select import selected  # noqa: PLC0415
        from tuneset.targets import lines  # noqa: PLC0415

        chosen, facts = selected(self._looked().examples, rows, self.recipe.judge.seed)
        path = Path(out) if out else self.path / f"train-{rows}.jsonl"
        examples = self.examples("train").join(chosen.select("id"), on="id", how="semi", maintain_order="left")
        with whole(path) as passing:
            lines.write(lines.lines(examples, self.recipe.task.system), passing)
        return facts | {"file": str(path)}

    def export(
        self,
        targets: str | Sequence[str],
        *,
        out: str | Path | None = None,
        model: str | Path | None = None,
        watch: Callable[[str], None] = lambda _: None,
    ) -> list[dict[str, Any]]:
        """Write the examples as each target reads them, in a folder of its name, and check every file.

        `out`: the folder of these folders, `exports` in the run folder where not given. `model`: a folder with a tokenizer
        and a chat template, whose hash `inference.json` then holds. Returns for each target its
        files, how many rows were changed or left out and why, and what the check says.
        """
        from tuneset.targets.export import about_run, export  # noqa: PLC0415
        from tuneset.targets.table import target  # noqa: PLC0415

        wanted = [target(name) for name in ([targets] if isinstance(targets, str) else targets)]
        folder, examples = Path(out) if out else self.path / "exports", self.examples()
        about = about_run(self.path, self.recipe, self.summary, model)
        done = []
        for each in wanted:
            watch(each.name)
            done.append(export(examples, each, folder / each.name, about))
        return done

    def publish(
        self,
        to: str,
        *,
        target: str | None = None,
        dry_run: bool = False,
        watch: Callable[[Sent], None] = lambda _: None,
    ) -> Plan:
        """Send an export to where it is trained or shared, and remember in the run what was sent.

        `to`: hub:ORG/NAME, openai, azure, together, fireworks, mistral, gs://BUCKET/FOLDER or s3://BUCKET/FOLDER. With
        `dry_run` nothing is sent. What is there already is not sent again. Returns the plan as it stands afterwards.
        Raises RunError where a file has errors, or the environment lacks a secret.
        """
        from tuneset.publish import plan, publish  # noqa: PLC0415

        planned = plan(self.path, to, target=target)
        if dry_run:
            return planned
        publish(planned, watch)
        return plan(self.path, to, target=target)

    def show(self, row: int, *, model: str | Path, side: str = "train") -> masks.Seen:
        """Show what a model sees of a row: its template filled in, every token marked trained or masked.

        `row` counts the lines of `side` from 1; `model` is a folder with a tokenizer and a chat template.
        """
        from tuneset.targets import lines, masks  # noqa: PLC0415
        from tuneset.targets.template import open_model  # noqa: PLC0415

        examples = self.examples(side)
        if not 1 <= row <= examples.height:
            what = f"there is no row {row} in {side}"
            raise RunError(what, str(self.path), f"--row takes 1 to {examples.height}")
        line = lines.lines(examples[row - 1], self.recipe.task.system)[0]
        return masks.seen(orjson.loads(line), open_model(model))

    def score(self, predictions: str | Path, *, baseline: str | Path | None = None) -> dict[str, Any]:
        """Score a model's answers to the validation examples, beside those of `baseline` and of simple ways to answer.

        A small classifier that learned the train side answers them too, where the whole set is small enough to be judged.
        Raises RunError where the run has no labels or no validation side.
        """
        from tuneset.judge import score, view  # noqa: PLC0415

        truth, train = self.examples("validation"), self.examples("train")
        if truth.is_empty() or truth["labels"].null_count():
            raise RunError(
                "there are no labelled validation examples to score", str(self.path), "tuneset prepare --help"
            )
        looked = self._looked()
        all_of_it = looked.facts["rows"] == looked.facts["of"]
        seen = looked.examples.sort("id")
        surrogate = score.surrogate_answers(view.view(seen), view.labels(seen)) if all_of_it else None
        answers, others = (
            None if path is None else score.read_predictions(Path(path), truth) for path in (predictions, baseline)
        )
        return score.score(truth, answers or [], baseline=others, train=train, surrogate=surrogate)

    def compare(self, earlier: str | Path | Dataset) -> dict[str, Any]:
        """Say what became more, less, better or worse since another run: `rows` of figures, and a sentence."""
        from tuneset.report.compare import compare  # noqa: PLC0415

        before = earlier if isinstance(earlier, Dataset) else Dataset.open(earlier)
        return compare(before.summary, self.summary, before.examples()["id"], self.examples()["id"])

    def _looked(self) -> Seen:
        """Return what the stage `judge` looks at, once more."""
        from tuneset.judge import judging  # noqa: PLC0415

        kept, sides = self.folder.table("judge", "examples"), self.folder.table("split", "split")
        if kept is None or sides is None:
            raise RunError("this run is not complete", str(self.path), f"tuneset prepare {self.path}")
        return judging.seen(kept, sides, self.recipe.judge)
