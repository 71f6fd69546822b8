"""Mutated recipes: read, composed, built on the meta device and checked, as ``janiform check`` does."""

from __future__ import annotations

from pathlib import Path
from random import Random

from janiform import read_recipe, registry
from janiform.measure.examine import examine
from janiform.recipe import dumps, read_recipe_text

from . import mutate

COUNT = 10_000


class Recipes:
    """Every shipped recipe, as its file is and with all defaults written out; the small ones more often."""

    def __init__(self, folder: Path) -> None:
        files = registry().recipes()
        resolved = {name: dumps(read_recipe(name)) for name in files}
        for name, text in resolved.items():
            if '"transformers"' in text:
                examine(read_recipe(name))  # the import of the library takes longer than an input may
        self._small = [text for name, text in resolved.items() if name.startswith("janus-mini")]
        self._all = [*(file.read_text() for file in files.values()), *resolved.values()]

    def run(self, chance: Random) -> None:
        text = mutate.lines(chance.choice(self._small if chance.random() < 0.6 else self._all), chance)
        overrides = []
        if chance.random() < 0.2:
            key = chance.choice([row.partition("=")[0].strip() for row in text.split("\n") if "=" in row] or ["x"])
            overrides = [f"{key} = {chance.choice(mutate.TOML_VALUES)}"]
        recipe = read_recipe_text(text, "fuzz.toml", overrides)
        written = dumps(recipe)
        if read_recipe_text(written) != recipe and "nan" not in written:
            raise AssertionError("the recipe is not the same after it was written and read")
        examine(recipe)
