"""Recipes: the grammar of the files, and the ``Recipe`` that they give. Torch-free.

file -> values with their origins (files, positions, tree) -> extends and overrides (extends, overrides, merge)
     -> components, presets, defaults (part_reader, pathways, structure) -> Recipe (assemble) -> TOML again (write)
"""

from .builder import build, share, use
from .compare import Difference, Side, diff
from .part import Share, Use
from .read import read_recipe, read_recipe_text
from .recipe import Pathway, Recipe
from .stage import Lora, SourceGroup, Stage, Training
from .write import dumps, lines, tables

__all__ = [
    "Difference",
    "Lora",
    "Pathway",
    "Recipe",
    "Share",
    "Side",
    "SourceGroup",
    "Stage",
    "Training",
    "Use",
    "build",
    "diff",
    "dumps",
    "lines",
    "read_recipe",
    "read_recipe_text",
    "share",
    "tables",
    "use",
]
