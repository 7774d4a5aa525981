"""Recipes: every default filled in, nothing unknown accepted, and what is written can be read back."""

import pytest

from tuneset import recipe
from tuneset.errors import RecipeError
from tuneset.recipe import Recipe


def test_the_stages_are_the_datas_way():
    assert recipe.STAGES == ("get", "clean", "dedupe", "split", "judge", "format", "check")


def test_a_filled_recipe_names_every_step_with_every_parameter():
    full = recipe.filled(Recipe())
    assert full.clean.steps == recipe.default_steps("clean")
    assert full.dedupe.model_extra["near-duplicate"] == {"threshold": 0.7, "drop": False, "seed": 42}


def test_what_is_written_is_read_back_the_same(tmp_path):
    full = recipe.filled(Recipe(sources=[recipe.Source(paths=["a.csv"], text='in "q"', labels=["ü"])]))
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
        ({"format": {"target": "chatt"}}, "format.target"),
    ],
)
def test_what_is_unknown_or_impossible_is_an_error_with_the_nearest_word(values, words):
    with pytest.raises(RecipeError) as caught:
        recipe.parse(values, "recipe.toml")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_a_file_that_is_no_recipe_is_an_error_of_three_lines(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("= nothing")
    with pytest.raises(RecipeError):
        recipe.read(path)


def test_explaining_a_rule_that_does_not_exist_names_the_nearest():
    with pytest.raises(RecipeError, match="near-duplicate"):
        recipe.explain("near-duplicat")
