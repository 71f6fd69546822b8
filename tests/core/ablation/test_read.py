"""Studies as files: which cells they have, and what is refused with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from janiform import registry
from janiform.ablation.collect import summary_of
from janiform.ablation.read import read_study
from janiform.ablation.study import Study
from janiform.errors import JaniformError, UsageError

HEAD = """study = 1
base = "janus-mini"
primary = "understanding.yes_no"
"""
AXES = """
[axis.encoder.own]
[axis.encoder.patches.understanding]
encoder = { use = "patches", image_size = 64, patch_size = 8, width = 128, positions = true }
[axis.head.wide.generation.head]
depth = 3
[axis.head.linear.generation.head]
use = "linear"
"""


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    def read(text: str, name: str = "study.toml") -> Study:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_study(path)

    return read


@pytest.fixture
def refused(study: Callable[..., Study]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        with pytest.raises(JaniformError) as raised:
            study(text)
        return [str(problem) for problem in raised.value.problems]

    return read


def names(study: Study) -> list[str]:
    return [cell.name for cell in study.cells]


def test_a_single_axis_is_swept_beside_the_base(study: Callable[..., Study]) -> None:
    read = study(HEAD + "[axis.head.wide.generation.head]\ndepth = 3\n")
    assert names(read) == ["base", "wide"]
    assert [(change.path, change.baseline, change.value) for change in read.cells[1].changes] == [
        ("generation.head.depth", 2, 3)
    ]
    assert read.settings.all_seeds == (0, 1, 2)
    assert list(read.evaluations) == ["shapes"]


def test_a_grid_has_every_combination_once_and_leaves_out_what_except_names(study: Callable[..., Study]) -> None:
    grid = 'grid = ["encoder", "head"]\nbaseline = "own+wide"\n'
    assert names(study(HEAD + grid + AXES)) == ["own+wide", "own+linear", "patches+wide", "patches+linear"]
    without = HEAD + grid + 'except = [{ encoder = "patches", head = ["linear"] }]\n' + AXES
    read = study(without)
    assert names(read) == ["own+wide", "own+linear", "patches+wide"]
    assert read.left_out == ("patches+linear",)


def test_grids_are_united(study: Callable[..., Study]) -> None:
    read = study(HEAD + 'grid = [["encoder"], ["encoder", "head"]]\nbaseline = "own"\n' + AXES)
    assert names(read) == ["own", "patches", "own+wide", "own+linear", "patches+wide", "patches+linear"]


def test_one_at_a_time_adds_the_base_and_each_value_that_differs(study: Callable[..., Study]) -> None:
    read = study(HEAD + 'one_at_a_time = ["encoder", "head"]\n' + AXES)
    assert names(read) == ["base", "patches", "wide", "linear"]
    assert dict(read.cell("wide").values) == {"head": "wide"}


def test_the_baseline_comes_first_and_seeds_are_outermost(study: Callable[..., Study]) -> None:
    read = study(HEAD + 'baseline = "b"\nseeds = [4, 7]\n[cell.a.generation.head]\ndepth = 3\n[cell.b]\n')
    assert names(read) == ["b", "a"]
    assert [(cell.name, seed) for cell, seed in read.runs()] == [("b", 4), ("a", 4), ("b", 7), ("a", 7)]


def test_a_cell_may_be_another_recipe(study: Callable[..., Study]) -> None:
    read = study(HEAD + '[cell.coupled]\nrecipe = "janus-mini-coupled"\n')
    assert names(read) == ["base", "coupled"]
    assert read.cell("coupled").stages == read.cell("coupled").recipe.training.stages
    assert "encoder" not in read.cell("coupled").stages


def test_the_recipe_of_a_cell_lies_beside_the_study(study: Callable[..., Study], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('recipe = 1\nextends = "janus-mini"\n[generation]\nhead.depth = 3\n')
    assert names(study(HEAD + '[cell.mine]\nrecipe = "mine.toml"\n')) == ["base", "mine"]


def test_the_budget_is_laid_over_every_cell_last_and_touches_only_stages_that_a_cell_has(
    study: Callable[..., Study],
) -> None:
    budget = "[budget.stage.encoder]\nsteps = 70\n[budget.stage.stage-3]\nsteps = 9\n"
    cells = (
        '[cell.coupled]\nrecipe = "janus-mini-coupled"\n[cell.long.stage.stage-3]\nsteps = 500\nbatch = 64\n'
        "[cell.c]\ngeneration.head.depth = 3\n"
    )
    read = study(HEAD + cells + budget)
    by_name = {cell.name: cell.recipe for cell in read.cells} if names(read) else {}
    assert {recipe.stages["stage-3"].steps for recipe in by_name.values()} == {9}
    assert "encoder" not in by_name["coupled"].training.stages
    assert by_name["base"].stages["encoder"].steps == 70


def test_two_cells_that_are_the_same_are_refused_even_where_only_an_untrained_stage_differs(
    refused: Callable[[str], list[str]],
) -> None:
    problems = refused(HEAD + "[cell.same.generation.head]\ndepth = 2\n")
    assert len(problems) == 1
    assert "study.toml:4" in problems[0]
    assert "the cells 'base' and 'same' are the same recipe" in problems[0]
    untrained = (
        '[cell.a]\nrecipe = "janus-mini-coupled"\n[cell.b]\nrecipe = "janus-mini-coupled"\nstage.encoder.steps = 30\n'
    )
    assert any("'a' and 'b' are the same recipe" in problem for problem in refused(HEAD + untrained))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[axis.head.wide.generation.haed]\ndepth = 3\n", "generation.haed"),
        ("[axis.head.wide.generation.head]\ndepht = 3\n", "did you mean 'depth'?"),
        ("[cell.a.stage.findng]\nsteps = 3\n", "stage.findng: cell a: is not in the recipe"),
        ("[cell.a.source.drew]\nseed = 3\n", "did you mean 'draw'?"),
        ("[cell.a.genration.head]\ndepth = 3\n", "genration"),
        ("[cell.a]\nextends = 'janus-mini'\n", "cannot be set by a cell"),
        ("[cell.a]\nrecipe = 3\n", "expected the name or file of a recipe, got 3"),
        ("[cell.a]\nrecipe = 'no-such'\n", "no-such"),
        ("[cell.a]\nsummary = 3\ngeneration.head.depth = 3\n", "expected a text, got 3"),
        ("[cell.'../up']\ngeneration.head.depth = 3\n", "a name may have letters"),
        ("[cell]\na = 3\n", "expected a table, got 3"),
        ("[budget.stage.nothing]\nsteps = 3\n[cell.a]\ngeneration.head.depth = 3\n", "no cell trains this stage"),
        ("[budget]\nsteps = 3\n[cell.a]\ngeneration.head.depth = 3\n", "a budget sets [budget.stage.NAME] only"),
        ("[cell.a]\nunderstanding.encoder.width = 129\n", "129"),
        ("", "one cell only"),
        ("[axis.empty]\n", "the axis has no values"),
        (AXES, "no cell has a value of this axis"),
        ("[evaluate.x]\nuse = 'no-such'\n[cell.a]\ngeneration.head.depth = 3\n", "no-such"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, message: str, refused: Callable[[str], list[str]]) -> None:
    problems = refused(HEAD + text)
    assert any(message in problem and "study.toml" in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('baseline = "nothing"', "there is no cell 'nothing'"),
        ('grid = ["encodr"]', "did you mean 'encoder'?"),
        (
            'grid = ["encoder"]\nexcept = [{ encoder = ["own", "patches"] }]\nbaseline = "base"',
            "nothing of the grid is left",
        ),
        ('grid = ["encoder", "head"]\nexcept = [{ encoder = "nope" }]\nbaseline = "own+wide"', "is not in the grid"),
        ("seeds = []", "at least one seed"),
        ("seeds = [1, 1]", "names the seed 1 twice"),
        ("seeds = [-1]", "the seed -1 must be from 0"),
        ("seeds = 0", "a number of seeds from 1"),
        ('equal = "time"', '"samples" or "flops" or "parameters" or "seconds"'),
        ("wrong = 3", "unknown setting"),
        ("excluded = []", "write except"),
    ],
)
def test_wrong_settings_are_named_with_their_place(
    setting: str, message: str, refused: Callable[[str], list[str]]
) -> None:
    problems = refused(HEAD + setting + "\n" + AXES)
    assert any(message in problem and "study.toml:" in problem for problem in problems), problems


def test_all_cells_that_do_not_fit_are_reported_together(refused: Callable[[str], list[str]]) -> None:
    wrong = (
        "[cell.a]\nbackbone.vocabulary = 100\n[cell.b]\ngeneration.tokenizer.image_size = 63\n"
        "[cell.c]\ngeneration.head.depth = 3\n"
    )
    problems = refused(HEAD + wrong)
    assert any("cell a" in problem for problem in problems)
    assert any("cell b" in problem for problem in problems)
    assert not any("cell c" in problem for problem in problems)


def test_a_base_that_does_not_fit_is_reported_once(refused: Callable[[str], list[str]], tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('recipe = 1\nextends = "janus-mini"\n[backbone]\nvocabulary = 100\n')
    cells = "".join(f"[cell.c{number}]\ngeneration.head.depth = {number + 3}\n" for number in range(6))
    problems = refused(HEAD.replace('"janus-mini"', '"bad.toml"') + cells)
    assert len(problems) == 1
    assert "bad.toml:4" in problems[0]
    assert "cell base, c0, c1, c2 and 3 more" in problems[0]


def test_a_cell_that_only_sets_what_the_budget_sets_is_refused(refused: Callable[[str], list[str]]) -> None:
    text = "[cell.long.stage.stage-3]\nsteps = 5000\n[budget.stage.stage-3]\nsteps = 90\n"
    assert any("are set by the budget" in problem for problem in refused(HEAD + text))


def test_files_that_are_no_studies(tmp_path: Path, refused: Callable[[str], list[str]]) -> None:
    assert any("a study begins with study = 1" in problem for problem in refused("recipe = 1\n"))
    assert any("begin the file with study = 1" in problem for problem in refused("x = 1\n"))
    assert any("reads grammar 1 of studies" in problem for problem in refused("study = 2\n"))
    for path in (tmp_path, tmp_path / "studi.toml"):
        with pytest.raises(JaniformError):
            read_study(path)


def test_a_cell_may_add_a_source_that_is_complete(study: Callable[..., Study]) -> None:
    text = '[cell.more.source.extra]\nuse = "shapes"\ntask = "draw"\nseed = 77\n'
    text += "[cell.more.stage.stage-3.mixture]\nextra = 1\n"
    read = study(HEAD + text)
    assert "extra" in read.cell("more").recipe.stages["stage-3"].sources


@pytest.mark.parametrize("name", sorted(registry().studies()))
def test_shipped_studies_are_read(name: str) -> None:
    read = read_study(name)
    assert read.name == name
    assert read.settings.description
    assert len(read.settings.all_seeds) == (3 if name == "families" else 5)


def test_an_unknown_study_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no study called 'nothing-like-it'"):
        read_study("nothing-like-it")


@pytest.mark.parametrize("page", ["docs/ablation.md", "README.md"])
def test_the_studies_in_the_docs_are_read(page: str, study: Callable[..., Study]) -> None:
    text = (Path(__file__).parents[3] / page).read_text(encoding="utf-8")
    examples = re.findall(r"^( *)study = 1\n(.*?)^\1(?:TOML|```)$", text, re.DOTALL | re.MULTILINE)
    assert examples
    for indent, body in examples:
        lines = ["study = 1", *(line.removeprefix(indent) for line in body.splitlines())]
        assert len(study("\n".join(lines)).cells) >= 2


def test_a_cell_is_summed_up_in_words_of_the_study(study: Callable[..., Study]) -> None:
    cells = '[cell.a]\nsummary = "deeper"\ngeneration.head.depth = 3\n[cell.b]\ngeneration.head.depth = 4\n'
    assert [summary_of(cell) for cell in study(HEAD + cells).cells] == [
        "the baseline",
        "deeper",
        "generation.head.depth 4",
    ]
    axes = AXES.replace("[axis.head.wide", '[axis.head.wide]\nsummary = "deeper"\n[axis.head.wide')
    patches = "[axis.encoder.patches"
    axes = axes.replace(patches, f'{patches}]\nsummary = "no encoder"\n{patches}')
    read = study(HEAD + 'grid = ["encoder", "head"]\nbaseline = "own+linear"\n' + axes)
    assert summary_of(read.cell("patches+wide")) == "no encoder, deeper"
