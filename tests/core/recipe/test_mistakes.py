"""Every kind of mistake, and the exact line of the report that it gives."""

# ruff: noqa: E501 - a line of a table here holds a line of the report, which is long

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from janiform import RecipeError, Registry
from janiform.recipe import read_recipe, read_recipe_text
from toy_components import BASE, TRAINED

Write = Callable[..., Path]

STAGE = '[source.a]\nuse = "toy"\n[stage.x]\nobjective = { use = "guess" }\ntrain = ["backbone"]\nmixture = { a = 1 }\n'
RUN = "steps = 1\nbatch = 1\nlearning_rate = 1e-3\n"


def report(toys: Registry, text: str, overrides: Sequence[str] = ()) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_recipe_text(text, "r.toml", overrides, registry=toys)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("addition", "line"),
    [
        ('[generaton]\nhead = { use = "speak" }', "generaton: unknown table (did you mean 'generation'? another pathway "
         'needs mode = "look" or mode = "draw")'),
        ('[editing.encoder]\nuse = "eye"', 'editing: unknown table (another pathway needs mode = "look" or mode = "draw")'),
        ('editing = { mode = "see" }', 'editing.mode: expected "look" or "draw", got the string "see"'),
        ("editing = 3", "editing: unknown key (known: backbone, description, extends, generation, layout, name, recipe, sink, "
         "source, stage, start, text, training, understanding)"),
        ("descripton = 'x'", "descripton: unknown key (did you mean 'description'?)"),
        ('"" = { mode = "look" }', '"": is not a valid name for a pathway (use letters, digits, - and _, and do not begin with a digit)'),
        ("text = 3", "text: expected a table, got 3 (write text = { use = \"…\" })"),
        ('text = "bpe"', 'text: expected a table, got the string "bpe" (write text = { use = "bpe" })'),
        ("text = { use = 3 }", "text.use: expected the name of a component, got 3"),
        ("text = { depth = '3' }", 'text.depth: expected a whole number, got the string "3"'),
        ("text = { preset = 'x' }", "text.preset: text 'bpe@1' has no preset 'x' (its presets: none)"),
        ("text = { preset = 3 }", "text.preset: expected the name of a preset, got 3"),
        ("text = { share = 'layout' }", "text: cannot be shared (only parts of pathways can be shared)"),
        ("layout = { use = 'jnus' }", "layout.use: no layout is called 'jnus' (did you mean 'janus'?)"),
        ("layout = { use = 'janus@2' }", "layout.use: layout 'janus' has no version 2 (its versions: 1)"),
        ("layout = { use = 'janus@x' }", "layout.use: 'janus@x' does not name a component (write the name, or the name with "
         "a version, as in 'siglip@1')"),
        ("layout = { roles = ['a'] }", 'layout.roles: expected a list of 2, got the list ["a"]'),
        ("source = 3", "source: expected tables by name, got 3 (write [source.NAME])"),
        ('source = { use = "toy" }', 'source.use: expected a table, got the string "toy" (write [source.NAME]; use is '
         "directly in [source])"),
        ("[source.a]", 'source.a: has no component: use = "…" is missing (choose one of toy)'),
        ('[source."a b"]\nuse = "toy"', 'source."a b": is not a valid name for a source (use letters, digits, - and _, and do not '
         "begin with a digit)"),
        ("stage = { steps = 3 }", "stage.steps: expected a table, got 3 (write [stage.NAME]; steps is directly in "
         "[stage])"),
        (STAGE + "steps = 1\nbatch = 1", "stage.x.learning_rate: is missing (Learning rate after the warm-up.)"),
        (STAGE + RUN + "name = 'x'", "stage.x.name: unknown setting"),
        (STAGE + RUN + "warmup = 2", "stage.x.warmup: must be at most the 1 steps of the stage"),
        (STAGE + RUN + "schedule = 'cosin'", 'stage.x.schedule: expected "constant" or "cosine" or "linear", got the string '
         "\"cosin\" (did you mean 'cosine'?)"),
        (STAGE + RUN + "weights = { text = -1 }", "stage.x.weights: the weight of 'text' must be 0 or more"),
        (STAGE + RUN + "betas = [0.9, 1]", "stage.x.betas: both must be at least 0 and below 1"),
        (STAGE + RUN + "ema = 1", "stage.x.ema: must be < 1: 1.0"),
        (STAGE + "steps = 1\nbatch = 1\nlearning_rate = inf", "stage.x.learning_rate: must be finite"),
        (STAGE.replace("a = 1", "b = 1") + RUN, "stage.x.mixture.b: there is no source 'b' (known: a)"),
        (STAGE.replace("a = 1", "a = 0") + RUN, "stage.x.mixture: at least one source must have a ratio above 0"),
        (STAGE.replace("a = 1", "a = -1") + RUN, "stage.x.mixture: the ratio of 'a' must be 0 or more"),
        (STAGE.replace("a = 1", "g = { ratio = 1, of = { b = 1 } }") + RUN, "stage.x.mixture.g.of.b: there is no source 'b' "
         "(known: a)"),
        (STAGE.replace("a = 1", "g = { ratio = 1, of = 3 }") + RUN, "stage.x.mixture.g.of: expected a table, got 3"),
        (STAGE.replace("a = 1", "g = { ratio = 1, of = { a = 0 } }") + RUN, "stage.x.mixture.g.of: at least one source must "
         "have a ratio above 0"),
        (STAGE.replace("a = 1", "a = 1, g = { ratio = 1, of = { a = 2 } }") + RUN, "stage.x.mixture: contains the source "
         "'a' twice"),
        (STAGE.replace("a = 1", 'a = "1"') + RUN, 'stage.x.mixture.a: expected a number or a table, got the string "1"'),
        (STAGE.replace('["backbone"]', '"backbone"') + RUN, 'stage.x.train: expected a list, got the string "backbone"'),
        (STAGE.replace('["backbone"]', "[]") + RUN, 'stage.x.train: must name at least one path, such as '
         '["generation.adapter", "generation.head"], unless `lora` is set'),
        (STAGE.replace('["backbone"]', '["backbone"]\nlora = { on = [] }') + RUN, 'stage.x.lora.on: must name at least one path, '
         'such as ["backbone.layers"]'),
        (STAGE.replace('{ use = "guess" }', '"guess"') + RUN, 'stage.x.objective: expected a table, got the string "guess" '
         '(write objective = { use = "guess" })'),
        (STAGE + RUN + '[training]\nstages = ["y"]', "training.stages[0]: there is no stage 'y' (known: x)"),
        (STAGE + RUN + '[training]\nstages = ["x", "x"]', "training.stages: names a stage twice"),
        ("[training]\nsed = 1", "training.sed: unknown setting (did you mean 'seed'?)"),
        ("[training]\nseed = -1", "training.seed: must be >= 0: -1"),
        ("training = 1", "training: expected a table, got 1"),
    ],
)  # fmt: skip
def test_the_line_of_a_mistake(toys: Registry, addition: str, line: str) -> None:
    text = 'recipe = 1\nbackbone = { use = "brain" }\n' + addition
    (said,) = report(toys, text)
    place, _, rest = said.partition(": ")
    assert rest == line
    assert 3 <= int(place.removeprefix("r.toml:")) <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("recipe = 1", "recipe = 2", "r.toml:1: recipe: grammar 2 is unknown (this janiform reads grammar 1)"),
        ("recipe = 1", "recipe = true", "r.toml:1: recipe: expected 1, got true"),
        ("recipe = 1", 'recipe = "1"', 'r.toml:1: recipe: expected 1, got the string "1"'),
        ("recipe = 1", "", "r.toml:1: recipe: the grammar's version is missing (begin the file with recipe = 1)"),
        ('name = "base"', "name = 3", "r.toml:2: name: expected a string in quotes, got 3"),
        ('name = "base"', 'name = " "', "r.toml:2: name: is empty"),
        ("rate = 0.25", "rte = 0.25", "r.toml:8: backbone.rte: unknown setting (did you mean 'rate'?)"),
        ("rate = 0.25", "inner = { size = 1, nam = [1] }", "r.toml:8: backbone.inner.nam: unknown setting (did you mean "
         "'names'?)"),
        ("rate = 0.25", "inner.names = [\n'a',\n2]", "r.toml:10: backbone.inner.names[1]: expected a string in quotes, got 2"),
        ("rate = 0.25", "[[backbone.inners]]\n[[backbone.inners]]\nsize = true", "r.toml:10: backbone.inners[1].size: "
         "expected a whole number, got true"),
        ('preset = "big"', 'preset = "bg"', "r.toml:7: backbone.preset: backbone 'brain@1' has no preset 'bg' (did you mean "
         "'big'?)"),
        ('"brain@1"', '"brian@1"', "r.toml:6: backbone.use: no backbone is called 'brian' (did you mean 'brain'?)"),
        ('"brain@1"', '"eye"', "r.toml:6: backbone.use: no backbone is called 'eye' ('eye' is a component of another kind: "
         "encoder; known: brain, snail)"),
        ('use = "brain@1"\npreset = "big"\nrate = 0.25', 'use = "snail"', "r.toml:5: backbone.width: is missing (The width.; "
         "or choose a preset: tiny)"),
        ('use = "brain@1"\npreset = "big"\nrate = 0.25', 'use = "snail"\nwidth = 3', "r.toml:5: backbone: width 3 is odd"),
        ('use = "brain@1"\npreset = "big"', "", 'r.toml:5: backbone: has no component: use = "…" is missing (choose one of '
         "brain, snail)"),
        ("encoder =", "encodr =", "r.toml:11: understanding.encodr: unknown part (did you mean 'encoder'?)"),
        ("[understanding]", '[understanding]\nmode = "draw"', 'r.toml:11: understanding.mode: understanding always has the '
         'mode "look" (give the pathway another name)'),
        ('head = { use = "speak" }', 'head = "speak"', 'r.toml:17: generation.head: expected a table, got the string "speak" '
         '(write head = { use = "speak" })'),
        ('head = { use = "speak" }', "head = { share = 3 }", "r.toml:17: generation.head.share: expected the path of a part, "
         "got 3"),
        ('head = { use = "speak" }', 'head = { share = "generation.head" }', "r.toml:17: generation.head: shares itself: "
         "generation.head → generation.head"),
        ('head = { use = "speak" }', 'head = { share = "editing.head" }', "r.toml:17: generation.head: shares "
         "'editing.head', which is not a part of this recipe (the recipe has no other head)"),
        ('head = { use = "speak" }', 'head = { share = "generation.adapter" }', "r.toml:17: generation.head: shares "
         "'generation.adapter', which is of kind adapter, not head"),
        ('depth = 5 }', 'depth = 5, share = "understanding.adapter" }', "r.toml:16: generation.adapter.use: a shared part has "
         "no settings of its own (set understanding.adapter.use, or name a component here instead of sharing one)"),
        ("[generation]", '[generation]\nshare = "drawing"', "r.toml:15: generation.share: shares 'drawing', which is not a pathway "
         "of this recipe (did you mean 'understanding'?)"),
        ("[generation]", '[generation]\nshare = "generation"', "r.toml:15: generation.share: shares itself: generation → "
         "generation"),
        ("[generation]", "[generation]\nshare = 1", "r.toml:15: generation.share: expected the name of a pathway, got 1"),
    ],
)  # fmt: skip
def test_the_line_of_a_change(toys: Registry, old: str, new: str, line: str) -> None:
    assert old in BASE
    assert line in report(toys, BASE.replace(old, new))


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("generation.adapter.dpth = 3", "generation.adapter.dpth: unknown setting (did you mean 'depth'?)"),
        ("generaton.adapter.depth = 3", "generaton: is not in the recipe (did you mean 'generation'?)"),
        ("generation.adaptr.depth = 3", "generation.adaptr: unknown part (did you mean 'adapter'?)"),
        ("generation.adapter.depth = '3'", 'generation.adapter.depth: expected a whole number, got the string "3"'),
        ("generation.adapter = 3", 'generation.adapter: expected a table, got 3 (write adapter = { use = "…" })'),
        ('generation.adapter.use = "ben"', "generation.adapter.use: no adapter is called 'ben' (did you mean 'bend'?)"),
        ("stage.frst.steps = 3", "stage.frst: is not in the recipe (did you mean 'first'?)"),
        ("stage.first.stps = 3", "stage.first.stps: unknown setting (did you mean 'steps'?)"),
        ("stage.first.mixture.red = 1", "stage.first.mixture.red: there is no source 'red' (known: ask, draw)"),
        ('source.other = { use = "toy" }', "source.other: is not in the recipe (known: ask, draw)"),
        ('extends = "base"', "extends: cannot be overridden (write it in a file)"),
        ("recipe = 1", "recipe: cannot be overridden (write it in a file)"),
        ("", "sets nothing (write path = value, such as generation.adapter.depth = 3)"),
        ("[generation]", "sets nothing (write path = value, such as generation.adapter.depth = 3)"),
        ("# generation = 1", "sets nothing (write path = value, such as generation.adapter.depth = 3)"),
        ('name = "a"\ndescription = "b"', "has more than one line (use one --set per line)"),
        ("name.x = 1", "name: expected a string in quotes, got a table"),
    ],
)  # fmt: skip
def test_the_line_of_an_override(toys: Registry, override: str, line: str) -> None:
    shown = " ".join(override.split())
    assert report(toys, TRAINED, [override]) == [f"--set '{shown}': {line}"]


def test_a_text_that_lost_its_quotes_is_recognised(toys: Registry) -> None:
    (said,) = report(toys, BASE, ["backbone.use=brain"])
    assert said.startswith("--set 'backbone.use=brain': is not TOML: ")
    assert said.endswith(
        """(a string needs quotes, and the shell needs others around them: --set 'backbone.use="brain"')"""
    )


def test_settings_for_a_shared_part_say_where_they_belong(toys: Registry) -> None:
    text = BASE.replace("understanding]", 'understanding]\nshare = "generation"').replace("encoder = {", "# {")
    text = text.replace('adapter = { use = "line" }', "")
    assert report(toys, text, ["understanding.adapter.depth = 3"]) == [
        "--set 'understanding.adapter.depth = 3': understanding.adapter: has no component: use = \"…\" is missing "
        "(understanding shares 'generation': set that, or name a component here)"
    ]


def test_circles_of_files_and_of_shares(toys: Registry, write: Write) -> None:
    write("b.toml", 'extends = "c.toml"\n')
    write("c.toml", '\nextends = ["base", "./a.toml"]\n')
    path = write("a.toml", 'extends = "b.toml"\n')
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, registry=toys)
    assert str(caught.value) == ("c.toml:3: extends: a recipe cannot extend itself: a.toml → b.toml → c.toml → a.toml")
    text = BASE.replace('{ use = "line" }', '{ share = "generation.adapter" }')
    text = text.replace('{ use = "line", depth = 5 }', '{ share = "understanding.adapter" }')
    assert report(toys, text) == [
        "r.toml:12: understanding.adapter: shares itself: understanding.adapter → generation.adapter → "
        "understanding.adapter",
        "r.toml:16: generation.adapter: shares itself: generation.adapter → understanding.adapter → generation.adapter",
    ]


@pytest.mark.parametrize(
    ("extends", "line"),
    [
        ('"bas"', "extends: there is no recipe called 'bas' (did you mean 'base'?)"),
        ('"./bese.toml"', "extends: there is no file './bese.toml' (did you mean 'base'?)"),
        ("3", "extends: expected the name or path of a recipe, or a list of them, got 3"),
        ('["base", 3]', "extends: expected the name or path of a recipe, or a list of them, got 3"),
        ('["base", "base"]', "names base twice"),
        ('""', "extends: the name of a recipe is empty (`janiform recipes` lists them)"),
    ],
)
def test_the_line_of_extends(toys: Registry, write: Write, extends: str, line: str) -> None:
    path = write("mine.toml", f"extends = {extends}\n[stage.x]\nwarmup = 1\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, registry=toys)
    said = str(caught.value).splitlines()
    assert said[0].startswith("mine.toml:2: ")
    if line == "names base twice":
        assert said[0].startswith("mine.toml:2: extends: names ")
        assert said[0].endswith("base.toml twice")
    else:
        assert said == [f"mine.toml:2: {line}"], "what seems to be missing may be in the file that is"


def test_all_problems_of_all_files_come_in_one_report_by_file_and_line(toys: Registry, write: Write) -> None:
    write("a.toml", 'extends = "base"\n[text]\ndpth = 1\n[generation.head]\ndepth = "x"\n', head="recipe = 7\n")
    write("b.toml", "name = \n")
    path = write("c.toml", 'extends = ["a.toml", "b.toml"]\nnam = "c"\n[layout]\nroles = ["a", 1]\n')
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, ["text.depth = true"], registry=toys)
    said = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        "--set 'text.depth = true'",
        "a.toml:1",
        "a.toml:4",
        "a.toml:6",
        "b.toml:2",
        "c.toml:3",
        "c.toml:5",
    ]
    assert len(caught.value.problems) == 7


def test_chains_of_files_end_somewhere(toys: Registry, write: Write) -> None:
    for number in range(100):
        write(f"f{number}.toml", f'extends = "f{number + 1}.toml"\n')
    with pytest.raises(RecipeError, match=r"a recipe can extend at most 64 others"):
        read_recipe("f0.toml", registry=toys)
    for number in range(40):
        write(f"g{number}.toml", f'extends = ["g{number + 1}.toml", "h{number + 1}.toml"]\n')
        write(f"h{number}.toml", f'extends = ["g{number + 1}.toml", "h{number + 1}.toml"]\n')
    with pytest.raises(RecipeError, match=r"a recipe can extend at most 64 others"):
        read_recipe("g0.toml", registry=toys)
