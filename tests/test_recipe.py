"""Recipes: every default filled in, nothing unknown accepted, and what is written can be read back."""

import sys

import pytest

from tuneset import recipe
from tuneset.errors import RecipeError
from tuneset.recipe import Recipe


def test_the_stages_are_the_datas_way():
    assert recipe.STAGES == ("get", "clean", "dedupe", "split", "judge", "format", "check")


def test_a_filled_recipe_names_every_step_with_every_parameter():
    full = recipe.filled(Recipe())
    assert full.clean.steps == recipe.default_steps("clean")
    written = {"threshold": 0.7, "drop": False, "keep": "first", "newest_by": "", "sources": [], "seed": 42}
    assert full.dedupe.model_extra["near-duplicate"] == written


@pytest.mark.parametrize(
    "source",
    [recipe.Source(paths=["a.csv"], text='in "q"', labels=["ü"]), recipe.Source(kind="table", name="t"), None],
    ids=["a file", "a table", "nothing"],
)
def test_what_is_written_is_read_back_the_same(tmp_path, source):
    full = recipe.filled(Recipe(sources=[source] if source else []))
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(full), encoding="utf-8")
    assert recipe.read(path) == full
    assert recipe.filled(recipe.read(path)) == full


def test_a_step_that_is_left_out_of_the_list_is_not_run():
    planned = recipe.parse({"dedupe": {"steps": ["exact-duplicate"]}}, "recipe.toml")
    assert [step.rule for step in recipe.filled(planned).steps("dedupe")] == ["exact-duplicate"]


def test_an_empty_list_of_steps_stays_empty():
    assert recipe.filled(recipe.parse({"dedupe": {"steps": []}}, "recipe.toml")).steps("dedupe") == []


def test_a_third_partys_step_is_named_by_its_import_path(tmp_path, monkeypatch):
    (tmp_path / "shouting.py").write_text(
        "import dataclasses\nfrom tuneset import model\n@dataclasses.dataclass(frozen=True)\nclass Shouting:\n"
        "    '''Flag shouting.'''\n    rule = 'shouting'\n    scope = 'example'\n    share: float = 0.5\n"
        "    def __call__(self, examples):\n        return model.no_findings()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    planned = {"clean": {"steps": ["shouting"], "shouting": {"use": "shouting:Shouting", "share": 0.9}}}
    full = recipe.filled(recipe.parse(planned, "recipe.toml"))
    assert full.steps("clean")[0].share == 0.9
    assert full.clean.model_extra["shouting"] == {"use": "shouting:Shouting", "share": 0.9}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"splits": {}}, "'split'"),
        ({"split": {"sead": 1}}, "'seed'"),
        ({"split": {"validation": 1.2}}, "less than 1"),
        ({"split": {"validation": 0.6, "test": 0.5}}, "leave nothing"),
        ({"split": {"validation": "many"}}, "split.validation"),
        ({"clean": {"steps": ["emty-text"]}}, "'empty-text'"),
        ({"dedupe": {"steps": ["near-duplicate"], "near-duplicate": {"treshold": 0.8}}}, "'threshold'"),
        ({"dedupe": {"steps": ["near-duplicate"], "near-duplicate": {"threshold": "high"}}}, "threshold"),
        ({"dedupe": {"steps": ["exact-duplicate"], "near-duplicate": {}}}, "near-duplicate"),
        ({"clean": {"steps": ["x"], "x": {"use": "no.such:Step"}}}, "cannot import"),
        ({"dedupe": {"steps": ["near-duplicat"], "near-duplicate": {"drop": True}}}, "unknown step 'near-duplicat'"),
        ({"dedupe": {"near-duplicate": {"drop": "yes"}}}, "write it as in drop = false"),
        ({"clean": {"steps": ["x"], "x": {"share": 1}}}, 'use = "module:ClassName"'),
        ({"clean": {"steps": ["x"], "x": {"use": "tuneset.clean:EmptyTex"}}}, "'EmptyText'"),
        ({"clean": {"steps": ["x"], "x": {"use": "tuneset.clean"}}}, "names no class"),
        ({"format": {"target": "chatt"}}, "format.target"),
    ],
)
def test_what_is_unknown_or_impossible_is_an_error_with_the_nearest_word(values, words):
    with pytest.raises(RecipeError) as caught:
        recipe.parse(values, "recipe.toml")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"paths": ["a.csv"], "query": "select 1"}, "query is for a database"),
        ({"paths": ["a.csv", "kaggle:a/b"], "splits": ["train"]}, "splits is for a dataset (hf:NAME) only"),
        ({"paths": ["a.csv"], "crawl": {"depth": 2}}, "crawl is for pages of the web only"),
        ({"paths": ["a.csv"], "contact": "me@example.org"}, 'or write kind = "web"'),
    ],
)
def test_a_key_that_would_change_nothing_in_its_source_is_refused(source, words):
    with pytest.raises(RecipeError) as caught:
        recipe.parse({"sources": [{"name": "mine"} | source]}, "recipe.toml")
    assert words in str(caught.value)
    assert caught.value.where == "recipe.toml, source 'mine'"


def test_a_key_is_taken_where_one_path_of_its_source_has_a_use_for_it():
    sources = [
        {"name": "a", "paths": ["a.csv", "sql:sqlite:///a.db"], "query": "select 1"},
        {"name": "b", "paths": ["a.csv", "hf:ann/inquiries"], "splits": ["train"]},
        {"name": "c", "kind": "web", "paths": ["https://example.org"], "contact": "me@x.org", "crawl": {"depth": 2}},
    ]
    assert len(recipe.parse({"sources": sources}, "recipe.toml").sources) == 3


@pytest.mark.parametrize("rule", ["exact-duplicate", "near-duplicate"])
@pytest.mark.parametrize("keep", [{}, {"keep": "source"}])
def test_the_sources_of_which_a_twin_is_kept_are_those_of_the_recipe(rule, keep):
    sources = [{"name": "tickets", "paths": ["a.csv"]}, {"name": "forum", "paths": ["b.csv"]}]
    given = {"sources": sources, "dedupe": {rule: {"sources": ["ticket"], **keep}}}
    with pytest.raises(RecipeError) as caught:
        recipe.parse(given, "recipe.toml")
    assert str(caught.value).splitlines() == [
        "unknown source 'ticket'",
        f"  at   recipe.toml [dedupe.{rule}] sources",
        "  try  'tickets' (there are: forum, tickets)",
    ]
    given["dedupe"][rule]["sources"] = ["forum", "tickets"]
    assert recipe.parse(given, "recipe.toml")


def test_two_sources_of_one_name_are_an_error_that_begins_with_its_words():
    with pytest.raises(RecipeError, match=r"^two sources are named 'a'"):
        recipe.parse({"sources": [{"paths": ["a.csv"]}, {"paths": ["b/a.csv"]}]}, "recipe.toml")


def test_a_nameless_source_is_named_by_its_file_or_by_what_it_is():
    written = {"kind": "synthetic", "generate": {"rows": 5, "writer": {"model": "m"}}}
    read = recipe.parse({"sources": [{"paths": ["shop/inquiries.csv"]}, written]}, "recipe.toml")
    assert [each.name for each in read.sources] == ["inquiries", "synthetic"]


def test_an_error_names_the_file_that_was_given(tmp_path):
    path = tmp_path / "mine.toml"
    for text in ('[clean]\nsteps = ["emty-text"]', "[clean.steps]", "[dedupe.near-duplicate]\nseed = 0.5", "[splt]"):
        path.write_text(text)
        with pytest.raises(RecipeError) as caught:
            recipe.read(path)
        assert str(path) in caught.value.where


def test_parameters_alone_leave_the_default_steps_as_they_are():
    full = recipe.filled(recipe.parse({"dedupe": {"near-duplicate": {"drop": True}}}, "recipe.toml"))
    assert full.dedupe.steps == recipe.default_steps("dedupe")
    assert full.dedupe.model_extra["near-duplicate"]["drop"] is True


MODULE = """
import dataclasses
from tuneset import model
@dataclasses.dataclass(frozen=True)
class Shouting:
    '''Flag shouting.'''
    rule = 'shouting'
    scope = 'example'
    words: tuple[str, ...] = ('hey',)
    def __call__(self, examples):
        return model.no_findings()
"""
PLAN = """
[clean]
steps = ["shouting"]
[clean.shouting]
use = "{module}:Shouting"
words = ["oi", "hey"]
[[sources]]
paths = ["in.csv"]
"""


@pytest.fixture
def forget():
    """Forget the modules that a test imports: each test writes its own."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def written(folder, module):
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(MODULE)
    (folder / "recipe.toml").write_text(PLAN.format(module=module))
    return folder / "recipe.toml"


@pytest.mark.usefixtures("forget")
def test_a_step_is_found_beside_the_recipe_and_the_path_is_left_as_it_was(tmp_path):
    path, before = written(tmp_path, "beside_it"), sys.path.copy()
    (step,) = recipe.read(path, beside=tmp_path).steps("clean")
    assert type(step).__module__ == "beside_it"
    assert sys.path == before


@pytest.mark.usefixtures("forget")
def test_a_list_in_the_recipe_is_a_tuple_in_the_step_and_a_list_again_when_written(tmp_path):
    full = recipe.filled(recipe.read(written(tmp_path, "with_words"), beside=tmp_path))
    assert full.steps("clean")[0].words == ("oi", "hey")
    (tmp_path / "again.toml").write_text(recipe.to_toml(full))
    assert recipe.read(tmp_path / "again.toml", beside=tmp_path) == full


@pytest.mark.usefixtures("forget")
def test_a_step_is_found_in_the_current_folder_and_in_no_folder_that_nobody_named(tmp_path, monkeypatch):
    path = written(tmp_path / "there", "standing_here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(RecipeError) as caught:
        recipe.read(path)
    assert str(tmp_path / "elsewhere") in caught.value.hint
    assert "standing_here.py" in caught.value.hint
    monkeypatch.chdir(tmp_path / "there")
    assert recipe.read(path).steps("clean")[0].rule == "shouting"


@pytest.mark.usefixtures("forget")
def test_a_module_of_the_same_name_is_never_run_in_the_place_of_the_one_beside_the_recipe(tmp_path):
    first, second = (written(tmp_path / name, "namesake") for name in ("one", "two"))
    assert recipe.read(first, beside=first.parent)
    with pytest.raises(RecipeError, match="two modules are called 'namesake'"):
        recipe.read(second, beside=second.parent)


@pytest.mark.usefixtures("forget")
def test_a_module_that_is_not_python_is_an_error_of_three_lines(tmp_path):
    path = written(tmp_path, "half_written")
    (tmp_path / "half_written.py").write_text("class Shouting(:\n")
    with pytest.raises(RecipeError) as caught:
        recipe.read(path, beside=tmp_path)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.usefixtures("forget")
def test_a_parameter_without_a_default_is_asked_for(tmp_path):
    path = written(tmp_path, "asks_for_it")
    (tmp_path / "asks_for_it.py").write_text(MODULE.replace("words: tuple[str, ...] = ('hey',)", "size: int"))
    path.write_text(PLAN.format(module="asks_for_it").replace('words = ["oi", "hey"]\n', ""))
    with pytest.raises(RecipeError, match="size"):
        recipe.read(path, beside=tmp_path)


def test_a_file_that_is_no_recipe_is_an_error_of_three_lines(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("= nothing")
    with pytest.raises(RecipeError):
        recipe.read(path)


def test_explaining_a_rule_that_does_not_exist_names_the_nearest():
    with pytest.raises(RecipeError, match="near-duplicate"):
        recipe.explain("near-duplicat")


def test_the_rules_of_the_check_are_explained_each_with_what_mends_it():
    from tuneset.targets import RULES
    from tuneset.targets.masks import TEMPLATE_RULES

    assert [page["rule"] for page in recipe.check_pages()] == sorted(RULES | TEMPLATE_RULES)
    (page,) = recipe.explain("too-few-rows")
    assert page["title"].startswith("Add examples")
    assert "warning" in page["text"]
    assert not {page["rule"] for page in recipe.explain()} & set(RULES)
