"""Recipes of models that look and draw by the same codes, and the check that a plan is one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from janiform import CompositionError, Origin, Plan, Problem, Recipe, share

from ..janus.parts import recipe_of
from ..janus.settings import CONFIG, Settings

CODES = ("tokenizer", "embedding", "adapter")
"""Parts of a pathway that looks at pictures by their codes."""

BORROWERS = ("embedding", "adapter", "head")
"""Parts of a pathway that have no tensors of their own."""

TOLERANCE = 0.02
"""Difference of the pixels' range that is accepted; transformers' processor of Chameleon rounds 2/255 to 0.0078."""


def coupled(name: str, description: str, folder: Path, parts: Mapping[str, dict[str, Any]], *, draws: bool) -> Recipe:
    """The recipe of one backbone over texts and codes. Raises ``StorageError`` with all invalid settings.

    Args:
        parts: the settings of all parts by name, each with its component as ``use``.
        draws: whether codes can be turned into pictures; without, the model looks only.
    """
    made = dict(parts)
    tables: dict[str, Any] = {part: made.pop(part) for part in ("backbone", "text", "layout")}
    if draws:
        tables |= {"generation": made, "understanding": share("generation")}
    else:
        tables["understanding"] = {part: made[part] for part in CODES}
    return recipe_of(name, description, tables, folder, lambda path: _origin(folder, path))


def _origin(folder: Path, path: str) -> Origin:
    """The config for sizes, else the folder: tokens stand in several files, and what all models have in none."""
    elsewhere = path.startswith(("text", "layout", "generation.sampler")) or "." not in path
    return Origin(str(folder if elsewhere or path.endswith(".use") else folder / CONFIG))


def shared_ids(first: int, **more: Any) -> dict[str, Any]:
    """Settings of an embedding or a head of codes that are tokens of the text, the first of which has this id."""
    return {"use": "shared@1", "first": first, "in_text": True, **more}


def codes_pathway(plan: Plan, format_name: str, components: Mapping[str, str]) -> str:
    """The pathway that holds the parts of the codes: ``generation``, or ``understanding`` where nothing is drawn.

    ``components``: the part's name, or its path for one of no pathway -> its component. Raises ``CompositionError``
    with all differences between the plan and a model of the format.
    """
    owner = "generation" if "generation" in plan.pathways else "understanding"
    problems = [
        Problem(f"format '{format_name}' does not have this pathway", name)
        for name in plan.pathways
        if name not in ("understanding", "generation")
    ]
    for name, component in components.items():
        path = f"{owner}.{name}" if name in (*CODES, "head") else name
        part = plan.parts.get(path)
        if part is None and not (name == "head" and owner == "understanding"):
            problems.append(Problem(f"format '{format_name}' needs this part, but the recipe has none", path))
        elif part is not None and part.use.component.name != component:
            message = f"format '{format_name}' has '{component}' here, but the recipe has '{part.use.component.name}'"
            problems.append(Problem(message, path))
    if owner == "generation":
        problems += [
            Problem(f"format '{format_name}' looks by the codes that it draws: share 'generation'", path)
            for path, part in plan.parts.items()
            if path.startswith("understanding.") and (part.owner or "").partition(".")[0] != "generation"
        ]
    if problems:
        raise CompositionError(problems)
    return owner


def check_pixels(table: Settings) -> None:
    """Add a problem where an image processor's config gives other pixels than those from -1 to 1."""
    if not table.values:
        return
    for name in ("do_normalize", "do_rescale", "do_resize"):
        table.only(name, True, None, default=True)
    scale = table.number("rescale_factor", 1 / 255)
    for mean, deviation in zip(*(_colours(table, name) for name in ("image_mean", "image_std")), strict=True):
        low, high = -mean / deviation, (255 * scale - mean) / deviation
        if abs(low + 1) > TOLERANCE or abs(high - 1) > TOLERANCE:
            message = f"gives pixels from {low:.3g} to {high:.3g}, but the visual tokenizer reads those from -1 to 1"
            table.wrong("", message, "set image_mean and image_std to 0.5, and rescale_factor to 1/255")
            return


def _colours(table: Settings, name: str) -> tuple[float, ...]:
    """Three numbers above 0, or one that stands for all."""
    value = table.values.get(name, 0.5)
    values = value if isinstance(value, list) else [value] * 3
    valid = all(isinstance(one, int | float) and not isinstance(one, bool) and one > 0 for one in values)
    if len(values) != 3 or not valid:
        table.wrong(name, "must be a list of three numbers above 0")
        return (0.5, 0.5, 0.5)
    return tuple(map(float, values))


def image_processor(folder: Path, problems: list[Problem]) -> Settings:
    """The image processor's config, which newer versions keep in the processor's; empty where there is none."""
    processor = Settings.read(folder / "processor_config.json", problems, optional=True)
    table = processor.table("image_processor", optional=True)
    return table if table.values else Settings.read(folder / "preprocessor_config.json", problems, optional=True)
