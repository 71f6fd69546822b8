"""Model cards: ``README.md`` of a model folder as the Hugging Face hub shows it, with its YAML header.

A card says what the files record, and says so where they record nothing; no score or licence is assumed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from attrs import field, frozen

from ..components.registry import registry
from ..compose import compose
from ..errors import Problem, StorageError, UsageError
from ..measure.costs import measure
from ..recipe.paths import hub_name
from ..untrusted_text import printable, storable
from .card_sections import benchmarks_of, sections
from .card_yaml import front_matter
from .formats import format_of
from .json_files import read_bounded
from .locate import model_folder
from .model_json import about

CARD = "README.md"
_MAX_BYTES = 4 << 20
_NAME = re.compile(r"(?:[\w.-]{1,96}/)?[\w.-]{1,96}", re.ASCII)
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
_HEADER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s", re.DOTALL)
_HEADER_LICENSE = re.compile(r"""^license:[ \t]*["']?([A-Za-z0-9.+-]+)["']?[ \t]*$""", re.MULTILINE)
_SNAPSHOT = re.compile(r"models--(?P<owner>.+?)--(?P<name>.+)")
_LIBRARIES = {"hf": "transformers", "chameleon": "transformers", "emu3": "transformers"}


def _lower(text: str) -> str:
    return text.lower()


@frozen
class CardSettings:
    """What a card cannot know from the files. ``name``: of the model, as ``OWNER/NAME`` on the hub. ``license``: its
    identifier on the hub, such as ``apache-2.0``. Empty ones are taken from the folder where it has them.

    Raises ``UsageError`` where one is not valid.
    """

    name: str = ""
    license: str = field(default="", converter=_lower)

    def __attrs_post_init__(self) -> None:
        if self.name and not _NAME.fullmatch(self.name):
            raise UsageError(Problem(f"'{self.name}' is not the name of a model", hint="write OWNER/NAME"))
        if self.license and not _LICENSE.fullmatch(self.license):
            hint = "write it as the hub does: apache-2.0, mit, other"
            raise UsageError(Problem(f"'{self.license}' is not the identifier of a licence", hint=hint))


def model_card(
    name_or_folder: str | Path, settings: CardSettings | None = None, facts: Mapping[str, Any] | None = None
) -> str:
    """The text of the card of a model, by name or folder in any format. Only headers of the weights are read.

    ``facts``: entries of ``model.json`` for a folder in a format that has none; by default the folder's.

    Raises:
        UsageError: there is no such model.
        StorageError: its files are damaged.
    """
    settings = settings or CardSettings()
    folder = model_folder(name_or_folder)
    chosen = format_of(folder)
    plan = compose(chosen.format.recipe(folder))
    facts = about(folder) if facts is None else facts
    name = settings.name or model_name(folder, plan.recipe.name if chosen.component.name == "janiform" else "")
    license_id = settings.license or stated_license(folder, facts)
    modes = {shape.mode for shape in plan.pathways.values()}
    costs = measure(plan)
    header = {
        "license": license_id,
        "library_name": _LIBRARIES.get(chosen.component.name, "janiform"),
        "pipeline_tag": _task(modes),
        "tags": ["janiform", *sorted({part.use.component.name for part in plan.parts.values()})],
        "base_model": list(_bases(plan.recipe.start)),
        "model-index": _index(name, _task(modes), facts),
    }
    body = sections(name, plan, costs, facts, chosen.format.weights(folder), chosen.component.reference, license_id)
    return storable(printable(f"{front_matter(header)}\n{body}", lines=True))


def model_name(folder: Path, recipe_name: str = "") -> str:
    """The name of a model: that of its snapshot on the hub, else of its recipe if it is given, else of its folder."""
    for path in (folder, *folder.parents):
        if (match := _SNAPSHOT.fullmatch(path.name)) and (path / "snapshots").is_dir():
            return f"{match['owner']}/{match['name']}"
    return recipe_name or " ".join(folder.resolve().name.split())


def stated_license(folder: Path, facts: Mapping[str, Any]) -> str:
    """The licence that ``model.json`` or the header of an existing card states; empty where none does."""
    if isinstance(stated := facts.get("license"), str) and _LICENSE.fullmatch(stated):
        return stated.lower()
    try:
        text = read_bounded(folder / CARD, _MAX_BYTES).decode("utf-8", "replace")
    except (OSError, StorageError):
        return ""
    header = _HEADER.match(text)
    match = _HEADER_LICENSE.search(header[1]) if header else None
    return match[1].lower() if match else ""


def _task(modes: AbstractSet[str]) -> str:
    return "any-to-any" if len(modes) > 1 else "text-to-image" if "draw" in modes else "image-text-to-text"


def _bases(start: Mapping[str, str]) -> Iterator[str]:
    """The models on the hub that the training began with."""
    shipped = registry().models()
    for text in dict.fromkeys(map(str, start.values())):
        if (name := hub_name(text)) and name not in shipped:
            yield name


def _index(name: str, task: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scores as the hub reads them (``model-index``)."""
    results = []
    for benchmark, result in benchmarks_of(facts).items():
        values = {metric: score.value for metric, score in result.scores.items() if math.isfinite(score.value)}
        metrics = [{"type": metric, "name": metric, "value": value} for metric, value in values.items()]
        dataset = {"name": benchmark, "type": benchmark}
        if metrics:
            results.append({"task": {"type": task}, "dataset": dataset, "metrics": metrics})
    return [{"name": name, "results": results}] if results else []
