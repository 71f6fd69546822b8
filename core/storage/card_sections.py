"""The Markdown of a model card: what the model is, how it is used, trained and measured, and where it comes from."""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..errors import StorageError
from ..recipe import dumps
from ..units import count, duration, size
from .json_files import structured

if TYPE_CHECKING:
    from ..compose import Plan
    from ..measure.costs import Costs
    from .weight_files import WeightFiles

_OWN_SETTINGS = ("benchmark", "model", "weights_sha256", "seconds", "device")
"""Settings of an evaluation that are not its protocol."""


@frozen
class CardScore:
    """A score. ``low`` and ``high``: its 95 % interval over items."""

    value: float
    count: int = 0
    low: float | None = None
    high: float | None = None


@frozen
class CardBenchmark:
    """The scores of a benchmark, and the settings that they were measured with."""

    scores: Mapping[str, CardScore] = field(factory=dict)
    settings: Mapping[str, Any] = field(factory=dict)


def benchmarks_of(facts: Mapping[str, Any]) -> dict[str, CardBenchmark]:
    """The scores that ``model.json`` records, by benchmark. Raises ``StorageError`` where they are damaged."""
    try:
        stored = structured(facts.get("scores") or {}, dict[str, dict[str, Any]])
        return {
            name: CardBenchmark(
                structured(result.get("scores") or {}, dict[str, CardScore]),
                structured(result.get("settings") or {}, dict[str, Any]),
            )
            for name, result in stored.items()
        }
    except ValueError as error:
        raise StorageError(f"model.json is damaged: 'scores' {error}") from error


def sections(
    name: str,
    plan: Plan,
    costs: Costs,
    facts: Mapping[str, Any],
    files: WeightFiles,
    layout: str,
    license_id: str,
) -> str:
    """The body of a card. ``layout``: the folder's format, with its version; ``license_id``: empty where unknown."""
    parts = [
        f"# {_text(name.rpartition('/')[2])}",
        _text(plan.recipe.description),
        _introduction(plan, costs, files, layout),
        "## Use",
        _use(name, plan, layout.partition("@")[0]),
        "## Parts",
        _parts(plan, costs),
        "## Training",
        _training(plan, facts),
        "## Scores",
        _scores(name, facts),
        "## Licence",
        f"The weights are licensed as `{license_id}`." if license_id else "No licence is stated for these weights.",
        "## Provenance",
        _provenance(facts),
        "## Recipe",
        "`janiform show` prints it with the origin of every value.",
        _code(dumps(plan.recipe).strip(), "toml"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _introduction(plan: Plan, costs: Costs, files: WeightFiles, layout: str) -> str:
    modes = {shape.mode for shape in plan.pathways.values()}
    does = " and ".join([*["looks at pictures"] * ("look" in modes), *["draws them"] * ("draw" in modes)])
    types = sorted({tensor.type_name for tensor in files.tensors.values()})
    stored = sum(tensor.nbytes for tensor in files.tensors.values())
    return (
        f"A model that {does or 'writes text'}, with {count(costs.parameters)} parameters and a context of "
        f"{costs.context:,} positions. The weights take {size(stored)} ({', '.join(types)}), in the format "
        f"`{layout}` of janiform."
    )


def _use(name: str, plan: Plan, layout: str) -> str:
    modes = {shape.mode for shape in plan.pathways.values()}
    word, quoted = shlex.quote(name), json.dumps(name, ensure_ascii=False)
    lines = [f"pip install janiform huggingface_hub\nhf download {word}"] if "/" in name else ["pip install janiform"]
    if "look" in modes:
        lines.append(f'janiform ask {word} picture.png "What is in this picture?"')
    if "draw" in modes:
        lines.append(f'janiform generate {word} "a red circle" --out pictures')
    blocks = [_code("\n".join(lines), "sh")]
    calls = ["import janiform", "", f"model = janiform.load({quoted})  # a folder, or a name in the hub's cache"]
    calls += ['answer = model.ask("picture.png", "What is in this picture?")'] * ("look" in modes)
    calls += ['model.generate("a red circle")[0].save("circle.png")'] * ("draw" in modes)
    blocks.append(_code("\n".join(calls), "python"))
    if layout == "hf":
        blocks.append("In transformers:")
        blocks.append(
            _code(
                "from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
                f"processor = AutoProcessor.from_pretrained({quoted})\n"
                f"model = AutoModelForImageTextToText.from_pretrained({quoted})",
                "python",
            )
        )
    return "\n\n".join(blocks)


def _parts(plan: Plan, costs: Costs) -> str:
    rows = []
    for path, part in plan.parts.items():
        own = costs.parts.get(path)
        number = count(own.parameters) if part.owner is None and own is not None else ""
        use = f"shared with `{part.owner}`" if part.owner is not None else f"`{part.use.component.reference}`"
        rows.append((f"`{path}`", use, number))
    return _table(("part", "component", "parameters"), rows)


def _training(plan: Plan, facts: Mapping[str, Any]) -> str:
    recipe = plan.recipe
    order = facts.get("stages") if isinstance(facts.get("stages"), list) else recipe.training.stages or recipe.stages
    names = [name for name in order or () if name in recipe.stages]
    if not names or not facts.get("command"):
        return "The files do not record how the model was trained."
    rows = []
    for name in names:
        stage = recipe.stages[name]
        sources = ", ".join(stage.sources)
        objective = stage.objective.component.reference
        rows.append((f"`{name}`", f"`{objective}`", f"{stage.last:,}", f"{stage.batch:,}", _text(sources)))
    parts = [_code(str(facts["command"]), "sh")]
    if isinstance(remark := facts.get("remark"), str):
        parts.append(_text(remark))
    if recipe.start:
        begun = ", ".join(f"`{path}` with {_inline(str(model))}" for path, model in recipe.start.items())
        parts.append(f"It began with trained weights: {begun}.")
    parts.append(_table(("stage", "objective", "steps", "batch", "sources"), rows))
    seconds = facts.get("seconds")
    amounts = [f"seed {facts['seed']}"] if isinstance(facts.get("seed"), int) else []
    amounts += [f"{duration(seconds)} of training"] if isinstance(seconds, int | float) else []
    if isinstance(samples := facts.get("samples"), dict):
        amounts.append(f"{count(sum(samples.values()))} samples")
    return "\n\n".join([*parts, f"In all: {', '.join(amounts)}." if amounts else ""]).strip()


def _scores(name: str, facts: Mapping[str, Any]) -> str:
    benchmarks = benchmarks_of(facts)
    if not benchmarks:
        return f"No scores are recorded. `janiform eval {name} BENCHMARK --record` measures and records them."
    own = {_table_of(facts, key).get("sha256") for key in ("weights", "converted")}
    blocks = []
    for benchmark, result in benchmarks.items():
        rows = [
            (f"`{metric}`", f"{score.value:.3f}", _interval(score), f"{score.count:,}" if score.count else "")
            for metric, score in result.scores.items()
        ]
        protocol = {key: value for key, value in result.settings.items() if key not in _OWN_SETTINGS and value != ""}
        kind = result.settings.get("benchmark", benchmark)
        listed = ", ".join(f"{key} {_inline(str(value))}" for key, value in protocol.items())
        blocks.append(f"### {_text(benchmark)}")
        blocks.append(f"Benchmark {_inline(str(kind))}{f', with {listed}' if listed else ''}.")
        blocks.append(_table(("metric", "score", "95 % interval over items", "items"), rows))
        weights = result.settings.get("weights_sha256")
        if weights and weights not in own:
            blocks.append(f"These scores were measured with other weights: sha256 {_inline(str(weights))}.")
    return "\n\n".join(blocks)


def _interval(score: CardScore) -> str:
    return "" if score.low is None or score.high is None else f"{score.low:.3f} – {score.high:.3f}"


def _provenance(facts: Mapping[str, Any]) -> str:
    weights, git, converted = (_table_of(facts, name) for name in ("weights", "git", "converted"))
    others = {
        f"{entry.get('distribution')} {entry.get('version')}"
        for entry in _table_of(facts, "components").values()
        if isinstance(entry, dict) and entry.get("distribution") != "janiform"
    }
    changed = " with changes" if git.get("changed") else ""
    rows = {
        "digest of the weights": f"sha256 {weights['sha256']}" if "sha256" in weights else "",
        "converted from": f"{converted.get('source')}, format {converted.get('format')}" if converted else "",
        "merged adapters": converted.get("adapters", ""),
        "git commit": f"{git['commit']}{changed}" if "commit" in git else "",
        "versions": ", ".join(f"{name} {version}" for name, version in _table_of(facts, "versions").items()),
        "components of other packages": ", ".join(sorted(others)),
        **{f"digest of the source {name}": f"sha256 {one}" for name, one in _table_of(facts, "data").items()},
    }
    shown = [(_text(name), _inline(str(value))) for name, value in rows.items() if value]
    return _table(("", ""), shown) if shown else "The files do not record where the weights come from."


def _table_of(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of ``model.json``; empty where it is missing or something else."""
    value = facts.get(name)
    return value if isinstance(value, dict) else {}


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Text on one line, in which nothing is HTML, begins code or ends a cell of a table."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("`", "&#96;")


def _inline(text: str) -> str:
    """Text as code, inside of a table too."""
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _code(text: str, language: str) -> str:
    """A block of code, with a fence that is longer than any in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
