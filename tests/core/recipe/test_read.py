"""From files, what they extend, overrides, presets and defaults to one recipe that knows where each value came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from janiform import RecipeError, Registry, UsageError
from janiform.recipe import Recipe, Share, SourceGroup, Use, read_recipe, read_recipe_text
from toy_components import BASE, TRAINED, Inner

Write = Callable[..., Path]


def config(recipe: Recipe, path: str) -> object:
    part = recipe.part(path)
    assert isinstance(part, Use)
    return part.config


def origins(recipe: Recipe, *paths: str) -> list[str]:
    return [str(recipe.origins[path]) for path in paths]


def test_the_layers_of_one_file(toys: Registry) -> None:
    recipe = read_recipe_text(BASE, "a.toml", ["generation.adapter.depth = 6"], registry=toys)
    assert (recipe.name, recipe.description) == ("base", "What others extend.")
    assert recipe.backbone.reference == "brain@1"
    assert recipe.backbone.config.depth == 9
    assert recipe.backbone.config.inner == Inner(size=5)
    assert recipe.layout.reference == "janus@1"
    assert [path for path, _ in recipe.parts()] == [
        "backbone",
        "text",
        "layout",
        "understanding.encoder",
        "understanding.adapter",
        "generation.tokenizer",
        "generation.embedding",
        "generation.adapter",
        "generation.head",
        "generation.sampler",
    ]
    assert [(pathway.name, pathway.mode) for pathway in recipe.pathways.values()] == [
        ("understanding", "look"),
        ("generation", "draw"),
    ]
    assert origins(
        recipe,
        "name",
        "backbone.use",
        "backbone.depth",
        "backbone.rate",
        "backbone.inner.size",
        "backbone.inner.names",
        "layout.use",
        "generation.embedding.use",
        "generation.adapter.depth",
        "understanding.mode",
    ) == [
        "a.toml:2",
        "a.toml:6",
        "preset 'big'",
        "a.toml:8",
        "preset 'big'",
        "default",
        "default",
        "default",
        "--set 'generation.adapter.depth = 6'",
        "default",
    ]


def test_a_text_that_is_not_a_string() -> None:
    for text in (None, b"recipe = 1", Path("x.toml")):
        with pytest.raises(UsageError, match="the text of a recipe must be a string, not "):
            read_recipe_text(text)  # type: ignore[arg-type]


def test_the_newest_version_is_meant_where_none_is_named(toys: Registry) -> None:
    recipe = read_recipe_text('recipe = 1\nbackbone = { use = "brain" }', registry=toys)
    assert recipe.backbone.reference == "brain@2"
    assert (recipe.name, str(recipe.origins["name"])) == ("recipe", "derived")


def test_own_settings_win_over_those_of_the_preset_table_by_table(toys: Registry) -> None:
    text = 'recipe = 1\n[backbone]\nuse = "brain@1"\npreset = "big"\ninner = { names = ["x"] }'
    recipe = read_recipe_text(text, "a.toml", registry=toys)
    assert recipe.backbone.config.inner == Inner(5, ("x",))
    assert origins(recipe, "backbone.inner.size", "backbone.inner.names") == ["preset 'big'", "a.toml:5"]


def test_extends_several_in_order_by_name_and_by_path(toys: Registry, write: Write) -> None:
    write("parts/one.toml", 'extends = "base"\nname = "one"\n[generation.adapter]\ndepth = 6\n[text]\ndepth = 8\n')
    write("parts/two.toml", "[generation.adapter]\ndepth = 7\n")
    path = write("parts/mine.toml", 'extends = ["one.toml", "./two.toml"]\n[backbone]\nflag = true\n')
    recipe = read_recipe(path, registry=toys)
    assert (recipe.name, recipe.description) == ("mine", ""), "name and description are a file's own"
    assert recipe.backbone.config.flag is True
    assert recipe.backbone.config.depth == 9
    assert config(recipe, "generation.adapter").depth == 7
    assert recipe.text.config.depth == 8
    assert origins(recipe, "generation.adapter.depth", "backbone.flag", "text.depth") == [
        "parts/two.toml:3",
        "parts/mine.toml:4",
        "parts/one.toml:7",
    ]
    assert origins(recipe, "backbone.use")[0].endswith("/base.toml:6")


def test_a_recipe_may_be_extended_over_two_ways(toys: Registry, write: Write) -> None:
    write("one.toml", 'extends = "base"\n')
    write("two.toml", 'extends = "base"\n[text]\ndepth = 5\n')
    assert read_recipe(write("mine.toml", 'extends = ["one.toml", "two.toml"]'), registry=toys).text.config.depth == 5


def test_another_component_starts_afresh_and_says_what_it_dropped(toys: Registry, write: Write) -> None:
    path = write(
        "mine.toml",
        'extends = "base"\n'
        '[understanding]\nadapter = { use = "bend", rate = 0.1 }\n'
        '[generation.adapter]\nuse = "bend"\n'
        '[backbone]\nuse = "snail"\nwidth = 4\n',
    )
    recipe = read_recipe(path, ['generation.tokenizer.use = "code@1"'], registry=toys)
    assert config(recipe, "generation.adapter").depth == 1, "the default of 'bend', not the depth of 'line'"
    assert recipe.backbone.config.width == 4
    assert config(recipe, "generation.tokenizer").depth == 4, "'code@1' is what 'code' means: nothing is dropped"
    base = recipe.origins["generation.head.use"].source
    assert set(recipe.notes) == {
        f"""backbone: 'use' changed from brain@1 to snail at mine.toml:8; dropped preset = "big" ({base}:7), """
        f"rate = 0.25 ({base}:8)",
        f"generation.adapter: 'use' changed from line to bend at mine.toml:6; dropped depth = 5 ({base}:16)",
    }


def test_another_version_is_another_component(toys: Registry) -> None:
    recipe = read_recipe_text(BASE, "a.toml", ['backbone.use = "brain"'], registry=toys)
    assert (recipe.backbone.reference, recipe.backbone.config.rate) == ("brain@2", 0.5)
    assert len(recipe.notes) == 1


def test_a_default_component_counts_as_the_old_one(toys: Registry, write: Write) -> None:
    write("roles.toml", '[layout]\nroles = ["a", "b"]\n')
    path = write("mine.toml", 'extends = ["base", "roles.toml"]\n[layout]\nuse = "other"\n')
    recipe = read_recipe(path, registry=toys)
    assert recipe.layout.reference == "other@1"
    assert recipe.notes == (
        """layout: 'use' changed from janus to other at mine.toml:4; dropped roles = ["a", "b"] (roles.toml:3)""",
    )


def test_a_looking_pathway_changes_its_eyes(toys: Registry, write: Write) -> None:
    path = write("mine.toml", 'extends = "base"\n[understanding]\ntokenizer = { share = "generation.tokenizer" }\n')
    recipe = read_recipe(path, registry=toys)
    assert list(recipe.pathways["understanding"].parts) == ["tokenizer", "embedding", "adapter"]
    assert recipe.part("understanding.tokenizer") == Share("generation.tokenizer")
    (note,) = recipe.notes
    assert note.startswith("understanding: looks through its tokenizer at mine.toml:4; dropped encoder.use = ")
    back = read_recipe_text(
        f'recipe = 1\nextends = "{path}"\n[understanding]\nencoder = {{ use = "eye" }}', registry=toys
    )
    assert list(back.pathways["understanding"].parts) == ["encoder", "adapter"]


def test_a_whole_pathway_is_shared(toys: Registry) -> None:
    recipe = read_recipe_text(BASE, "a.toml", ['understanding = { share = "generation" }'], registry=toys)
    assert recipe.pathways["understanding"].parts == {
        "tokenizer": Share("generation.tokenizer"),
        "embedding": Share("generation.embedding"),
        "adapter": Share("generation.adapter"),
    }
    assert origins(recipe, "understanding.adapter.share")[0].startswith("--set ")


def test_a_shared_pathway_may_have_parts_of_its_own(toys: Registry) -> None:
    lines = ['understanding = { share = "generation", adapter = { use = "bend" } }']
    recipe = read_recipe_text(BASE, registry=toys, overrides=lines)
    assert recipe.part("understanding.tokenizer") == Share("generation.tokenizer")
    assert config(recipe, "understanding.adapter").rate == 0.5


def test_shares_are_followed_to_the_part_that_is_built(toys: Registry) -> None:
    text = BASE + '[editing]\nmode = "draw"\nshare = "generation"\nadapter = { share = "understanding.adapter" }\n'
    recipe = read_recipe_text(
        text, registry=toys, overrides=['understanding.adapter = { share = "generation.adapter" }']
    )
    assert recipe.pathways["editing"].mode == "draw"
    assert recipe.part("editing.adapter") == Share("generation.adapter")
    assert recipe.part("editing.head") == Share("generation.head")


def test_a_use_takes_the_place_of_a_share(toys: Registry, write: Write) -> None:
    write("shared.toml", 'extends = "base"\n[generation]\nadapter = { share = "understanding.adapter" }\n')
    path = write("mine.toml", 'extends = "shared.toml"\n[generation]\nadapter = { use = "bend" }\n')
    assert config(read_recipe(path, registry=toys), "generation.adapter").rate == 0.5


def test_a_mixture_may_hold_groups(toys: Registry) -> None:
    change = "stage.first.mixture = { ask = 0, rest = { ratio = 1, of = { ask = 2 } } }"
    first = read_recipe_text(TRAINED, "a.toml", [change], registry=toys).stages["first"]
    assert first.mixture == {"draw": 3.0, "ask": 0.0, "rest": SourceGroup(ratio=1, of={"ask": 2.0})}
    assert first.ratios == {"draw": 0.75, "ask": 0.25}


def test_stages_sources_and_their_order(toys: Registry) -> None:
    recipe = read_recipe_text(TRAINED, "a.toml", ["stage.first.mixture.ask = 0", "training.seed = 4"], registry=toys)
    first = recipe.stages["first"]
    assert (first.name, first.objective.reference, first.train) == (
        "first",
        "guess@1",
        ("generation.head", "*.adapter"),
    )
    assert first.mixture == {"draw": 3.0, "ask": 0.0}
    assert first.sources == ("draw",)
    assert (first.steps, first.batch, first.learning_rate, first.betas) == (100, 8, 1e-3, (0.9, 0.95))
    assert recipe.training.stages == ("first", "second")
    assert recipe.training.seed == 4
    assert recipe.sources["ask"].config.depth == 7
    assert origins(recipe, "training.stages", "training.keep", "stage.first.mixture.draw", "stage.first.clip") == [
        "derived",
        "default",
        "a.toml:29",
        "default",
    ]
    assert "stage.first.name" not in recipe.origins
    assert origins(recipe, "stage.second.objective.depth") == ["a.toml:37"]


def test_an_unknown_part_is_named_with_the_nearest(toys: Registry) -> None:
    with pytest.raises(RecipeError, match=r"no part 'generation.hed' \(did you mean 'generation.head'\?\)"):
        read_recipe_text(BASE, registry=toys).part("generation.hed")


def test_overrides_apply_in_order(toys: Registry) -> None:
    lines = ['generation.adapter.use = "bend"', "generation.adapter.depth = 4", "generation.adapter.depth = 5"]
    assert config(read_recipe_text(BASE, registry=toys, overrides=lines), "generation.adapter").depth == 5


def test_a_recipe_is_found_by_name_and_by_path(toys: Registry, recipes_folder: Path, write: Write) -> None:
    by_name = read_recipe("base", registry=toys)
    assert by_name == read_recipe(recipes_folder / "base.toml", registry=toys)
    assert by_name == read_recipe(str(recipes_folder / "base.toml"), registry=toys)
    plain = write("no-suffix", BASE, head="")
    assert read_recipe(str(plain), registry=toys) == by_name


def test_a_byte_order_mark_is_no_mistake(toys: Registry, write: Write) -> None:
    assert read_recipe(write("a.toml", BASE, head="\ufeff"), registry=toys).name == "base"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("bas", "there is no recipe called 'bas' (did you mean 'base'?)"),
        ("minne.toml", "there is no file 'minne.toml' (did you mean 'mine.toml'?)"),
        ("base.toml", "there is no file 'base.toml' (did you mean 'base'?)"),
        ("far/away.toml", "there is no file 'far/away.toml' (`janiform recipes` lists the recipes)"),
        (".", "'.' is a directory, not a recipe (a recipe is a .toml file)"),
        ("run", "'run' is a directory, not a recipe (did you mean 'run/recipe.toml'?)"),
        (" ", "the name of a recipe is empty (`janiform recipes` lists them)"),
        ("/dev/null", "'/dev/null' is not an ordinary file"),
        ("x" * 5000 + ".toml", f"there is no file '{'x' * 5000}.toml' (`janiform recipes` lists the recipes)"),
        ("nowhere\0.toml", "there is no file 'nowhere\0.toml' (`janiform recipes` lists the recipes)"),
    ],
)
def test_what_is_no_recipe(toys: Registry, write: Write, reference: str, message: str) -> None:
    write("mine.toml", BASE)
    write("run/recipe.toml", BASE)
    with pytest.raises(UsageError) as caught:
        read_recipe(reference, registry=toys)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "bad.toml:1: recipe: the grammar's version is missing (begin the file with recipe = 1)"),
        (b"# nothing\n\n", "bad.toml:1: recipe: the grammar's version is missing (begin the file with recipe = 1)"),
        (b"recipe = 1\nname = \n", "bad.toml:2: is not TOML: … at column 8"),
        (b"recipe = 1\nrecipe = 1\n", "bad.toml:2: is not TOML: … at column 11"),
        (b"recipe = 1\n\nname = '\xff'", "bad.toml:3: is not UTF-8: byte 20 is 0xff (save the file as UTF-8)"),
        (b"recipe = 1\nname = '\0'", "bad.toml:2: is not TOML: … at column 9"),
        (b"recipe = 1\n" * 100_000, "bad.toml: has 1,100,000 bytes, more than the 1 MiB of a recipe"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "bad.toml: is nested more than 32 levels deep"),
        (b"a = " + b"[" * 40 + b"]" * 40, "bad.toml: is nested more than 32 levels deep"),
        (b"a = " + b"{a = " * 3000 + b"1" + b"}" * 3000, "bad.toml: is nested more than 32 levels deep"),
        (b"\n[" + b"a." * 300_000 + b"a]", "bad.toml:2: a key has more than 32 parts"),
        (b"\n" + b'"a b" . ' * 100_000 + b"a = 1", "bad.toml:2: a key has more than 32 parts"),
        (b"recipe = 0x" + b"f" * 5000, "bad.toml: contains a whole number of more than 64 bits"),
        (b"x = 9223372036854775808", "bad.toml: contains a whole number of more than 64 bits"),
    ],
)
def test_bad_files(toys: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        read_recipe("bad.toml", registry=toys)
    said, (start, _, end) = str(caught.value).splitlines()[0], message.partition("…")  # the words there are tomllib's
    assert said.startswith(start)
    assert said.endswith(end)
    assert end or said == start


def test_a_huge_file_is_refused_by_its_size(toys: Registry, tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file that no machine could read
    with pytest.raises(RecipeError, match=r"huge\.toml: has 1,099,511,627,776 bytes"):
        read_recipe(path, registry=toys)


def test_a_number_of_thousands_of_digits(toys: Registry) -> None:
    with pytest.raises(RecipeError, match="is not TOML: Exceeds the limit"):
        read_recipe_text("recipe = " + "1" * 5000, registry=toys)
