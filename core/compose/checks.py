"""Checks of what must agree between parts beside their own declarations. Each message names both ends and a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import nearest
from ..ports import (
    Codes,
    CodesOrLatents,
    Features,
    Grid,
    Hidden,
    Logits,
    PlaceValues,
    Port,
    PortMismatch,
    Predicted,
    Values,
)
from .diagnostics import Diagnostics
from .plan import PartPlan, PathwayShape

if TYPE_CHECKING:
    from ..contracts import Process
    from ..recipe import Recipe, Use

MIN_TEXT = 16
"""Positions that must be left for text beside a picture: markers, roles and a few words."""


def check_text(vocabulary: int, hidden: Hidden, diagnostics: Diagnostics) -> None:
    """Every id of the text tokenizer needs a row in the backbone's embedding."""
    if vocabulary > hidden.vocabulary:
        backbone = diagnostics.describe("backbone", "vocabulary")
        diagnostics.add(
            "text",
            f"{diagnostics.component('text')} has ids up to {vocabulary}, but {backbone} has embeddings for "
            f"{hidden.vocabulary}",
            f"use a text vocabulary of at most {hidden.vocabulary}, or a backbone of at least {vocabulary}",
        )


def check_count(path: str, features: Features, drawn: CodesOrLatents, diagnostics: Diagnostics) -> None:
    """Each place of codes or latents takes one position, whether they are drawn or looked at."""
    if features.tokens != drawn.tokens + features.lead + features.trail:
        places = "codes" if isinstance(drawn, Codes) else "places"
        diagnostics.add(
            path,
            f"{diagnostics.component(path)} gives {features}, but each of the {drawn.tokens} {places} takes one "
            "position",
            f"use a part that gives {drawn.tokens} tokens",
        )


def check_each_alone(path: str, config: Any, features: Features, hidden: Hidden, diagnostics: Diagnostics) -> None:
    """A picture is drawn code by code, so an adapter in a pathway that draws must map one code to one vector.

    One that mixes the picture's codes does not fit even where the numbers agree: it would be trained on codes that are
    not drawn yet.
    """
    one = Features(1, features.width, features.grid and Grid(1, 1))
    try:
        tokens = config.adapt(one, hidden).tokens
    except Exception:  # a mismatch or a plugin's own error: the config accepted a whole picture and refuses one code
        tokens = 0
    if tokens != 1:
        diagnostics.add(
            path,
            f"{diagnostics.component(path)} mixes the codes of a picture, but they are drawn one after the other, and "
            "the backbone reads each before the next is there",
            "use an adapter that maps each code alone",
        )


def check_width(path: str, features: Features, hidden: Hidden, diagnostics: Diagnostics) -> None:
    """Features must have the backbone's width."""
    if features.width != hidden.width:
        diagnostics.add(
            path,
            f"{diagnostics.component(path)} gives {features}, but {diagnostics.describe('backbone')} takes {hidden}",
            f"use a part that gives a width of {hidden.width}",
        )


def check_head(
    path: str, predicted: Predicted, tokenizer: str, drawn: CodesOrLatents, diagnostics: Diagnostics
) -> bool:
    """A head must predict the tokenizer's codes, at every level, or its latents; whether it does."""
    if isinstance(drawn, Codes):
        fits = isinstance(predicted, Logits) and (predicted.vocabulary, predicted.depth) == (
            drawn.vocabulary,
            drawn.depth,
        )
        hint = f"use a head over {drawn.vocabulary} codes of depth {drawn.depth}"
    else:
        single = isinstance(predicted, PlaceValues) and predicted.width == drawn.width
        whole = isinstance(predicted, Values) and (predicted.tokens, predicted.width) == (drawn.tokens, drawn.width)
        fits = single or whole
        hint = f"use a head that predicts {drawn.width} values at each of {drawn.tokens} places"
    if not fits:
        diagnostics.add(
            path,
            f"{diagnostics.component(path)} gives {predicted}, but {diagnostics.describe(tokenizer)} has {drawn}",
            hint,
        )
    return fits


def draws_places(predicted: Port | None) -> bool:
    """Whether a head draws the values of single places by itself."""
    return isinstance(predicted, Values) and predicted.of == "sample"


def sampler_process(
    path: str, use: Use, drawn: CodesOrLatents, predicted: Predicted, diagnostics: Diagnostics
) -> Process | None:
    """The process by which a sampler draws pictures; None where it draws them place by place, or cannot draw them."""
    if not _draws_scales(path, use, drawn, diagnostics):
        return None
    process: Any = getattr(use.config, "process", None)
    if not callable(process):
        if not isinstance(drawn, Codes):
            diagnostics.add(
                path,
                f"the sampler '{use.component.name}' draws codes, one place after the other, but the tokenizer has "
                f"{drawn}",
                "use a sampler that draws latents, such as 'flow', 'masked-latents', or 'regression' for a head of "
                "single places",
            )
        return None
    try:
        made: Process | None = process(drawn, predicted)
    except PortMismatch as mismatch:
        diagnostics.add(path, f"{use.component.reference} does not fit: {mismatch}")
        return None
    except Exception as error:  # a plugin may fail in any way, and the error must name it
        source = f"process(drawn, predicted) of {use.component.reference} of {use.component.provider}"
        diagnostics.add(path, f"{source} failed: {type(error).__name__}: {error}", "fix the plugin")
        return None
    return made


def check_single_places(path: str, embedding: Use, features: Features, diagnostics: Diagnostics) -> None:
    """Latents that are predicted from the state before each place are embedded alone, without a vector before all."""
    if getattr(embedding.config, "drops_hidden", False):
        diagnostics.add(
            path,
            f"{embedding.component.reference} encodes the places of a picture together, but the head predicts each "
            "from the state before it, so that they are embedded one by one",
            "use an embedding that maps each place alone, such as 'patches'",
        )
    if features.lead:
        diagnostics.add(
            path,
            f"{diagnostics.component(path)} puts {features.lead} vector before the places of a picture, but the head "
            "predicts each place from the state before it, so that they are embedded one by one",
            "use an embedding without such a vector, such as 'patches' with time = \"none\"",
        )


def _draws_scales(path: str, use: Use, drawn: CodesOrLatents, diagnostics: Diagnostics) -> bool:
    """Whether a sampler draws scale by scale, as its config says by ``by_scales``, where the codes have scales only."""
    scales, by_scales = isinstance(drawn, Codes) and bool(drawn.scales), bool(getattr(use.config, "by_scales", False))
    if scales and not by_scales:
        diagnostics.add(
            path,
            f"the sampler '{use.component.name}' does not draw scale by scale, but the tokenizer has {drawn}",
            "use the sampler 'scales', or a tokenizer whose codes have one grid, such as 'vq'",
        )
    elif by_scales and not scales:
        diagnostics.add(
            path,
            f"the sampler '{use.component.name}' draws the scales of a picture one after the other, but the tokenizer "
            f"has {drawn}, without scales",
            "use a tokenizer with scales, such as 'scales-vq', or another sampler, such as 'autoregressive'",
        )
    return scales == by_scales


def check_scales(path: str, use: Use, drawn: CodesOrLatents, diagnostics: Diagnostics) -> None:
    """The codes of scales are predicted at their own places, which an embedding must not show: see ``by_scales``."""
    if isinstance(drawn, Codes) and drawn.scales and not getattr(use.config, "by_scales", False):
        diagnostics.add(
            path,
            f"{use.component.reference} gives the vector of a code at its own place, but those of {drawn} are "
            "predicted there from earlier scales alone",
            "use an embedding that is made for scales, such as 'scales'",
        )


def check_complete(
    path: str, sampler: Use, embedding: Use, process: Process, places: int, diagnostics: Diagnostics
) -> None:
    """An embedding must read what a process says of a picture: its hidden places, and the time that it is complete.

    The former needs an embedding whose config ``hides``, the latter one that says the same time, where it says any
    (``data_at``).
    """
    try:
        complete = process.complete(places)
    except Exception as error:  # a plugin may fail in any way, and the error must name it
        source = f"complete({places}) of the process of {sampler.component.reference} of {sampler.component.provider}"
        diagnostics.add(path, f"{source} failed: {type(error).__name__}: {error}", "fix the plugin")
        return
    own: Any = getattr(embedding.config, "data_at", None)
    if own is not None and complete.time is not None and own != complete.time:
        diagnostics.add(
            path,
            f"{embedding.component.reference} takes {own:g} as the time of complete pictures, but the sampler has "
            f"them at {complete.time:g}",
            f"set data_at to {complete.time:g}",
        )
    if complete.hidden is not None and not getattr(embedding.config, "hides", False):
        diagnostics.add(
            path,
            f"the sampler '{sampler.component.name}' hides places of a picture, but {embedding.component.reference} "
            "has no vector for them",
            "set its 'mask', or use an embedding that has one, such as 'table' with mask = true",
        )


def check_embedding(
    path: str, embedding: Use, features: Features, head: Use, hidden: Hidden, diagnostics: Diagnostics
) -> None:
    """What an embedding gives beside the vectors of places, and those that it leaves out, must be served."""
    if features.trail and "embedding" not in getattr(head.config, "borrows", ()):
        diagnostics.add(
            path,
            f"{embedding.component.reference} gives {features.trail} vectors behind those of the places, which the "
            f"head '{head.component.name}' does not know of",
            f"use a head that is made for it, such as '{embedding.component.name}'",
        )
    if getattr(embedding.config, "drops_hidden", False) and not hidden.full_blocks:
        diagnostics.add(
            path,
            f"{embedding.component.reference} leaves out the hidden places of a picture, but in "
            f"{diagnostics.describe('backbone')} every position changes those behind it",
            "use a backbone of attention alone",
        )


def check_context(path: str, tokens: int, hidden: Hidden, diagnostics: Diagnostics) -> None:
    """A picture must leave some positions of the backbone's context for text."""
    if tokens + MIN_TEXT > hidden.context:
        diagnostics.add(
            path,
            f"one picture takes {tokens} positions with {diagnostics.component(path)}, but "
            f"{diagnostics.describe('backbone', 'context')} has a context of {hidden.context}, which leaves none for "
            "text",
            f"use a context of at least {tokens + MIN_TEXT}, or fewer tokens per picture",
        )


def check_blocks(
    recipe: Recipe, pathways: Mapping[str, PathwayShape], hidden: Hidden, diagnostics: Diagnostics
) -> None:
    """A layout whose pictures are full blocks, which says so by ``full_blocks``, needs a backbone that serves them.

    So do codes with scales, each of which is a full block.
    """
    scales = [name for name, shape in pathways.items() if shape.scales]
    if scales and not hidden.full_blocks:
        diagnostics.add(
            f"{scales[0]}.tokenizer",
            f"positions of a scale see one another, which {diagnostics.describe('backbone')} does not support",
            "use a tokenizer whose codes have one grid, or another backbone",
        )
    if bool(getattr(recipe.layout.config, "full_blocks", False)) and not hidden.full_blocks:
        diagnostics.add(
            "layout",
            f"positions of a picture see one another in {diagnostics.component('layout')}, which "
            f"{diagnostics.describe('backbone')} does not support",
            "use a layout whose pictures are causal, or another backbone",
        )


def check_lenders(parts: Mapping[str, PartPlan], diagnostics: Diagnostics) -> None:
    """A part that uses the weights of another part of its pathway may refuse it, by the config's ``accept``."""
    for path, part in parts.items():
        accept: Any = getattr(part.use.config, "accept", None)
        if part.owner is not None or not callable(accept):
            continue
        for name in getattr(part.use.config, "borrows", ()):
            lender = parts.get(name if name == "backbone" else f"{path.partition('.')[0]}.{name}")
            if lender is None:
                continue
            try:
                accept(name, lender.use.config)
            except PortMismatch as mismatch:
                given = diagnostics.component(lender.path)
                diagnostics.add(path, f"{part.use.component.reference} does not fit {given}: {mismatch}")
            except Exception as error:  # a plugin may fail in any way, and the error must name it
                source = f"accept('{name}', config) of {part.use.component.reference} of {part.use.component.provider}"
                diagnostics.add(path, f"{source} failed: {type(error).__name__}: {error}", "fix the plugin")


def check_shares(parts: Mapping[str, PartPlan], owners: Mapping[str, str], diagnostics: Diagnostics) -> None:
    """A shared part is made for the ports of its owner, so it must take the same ports everywhere.

    One that uses the weights of another part of its pathway must share that, too.
    """
    for path, part in parts.items():
        if part.owner is None or part.owner not in parts:
            continue
        owner_inputs: Mapping[str, Port] = parts[part.owner].inputs
        for name, port in part.inputs.items():
            if owner_inputs.get(name, port) != port:
                diagnostics.add(
                    path,
                    f"shares {diagnostics.describe(part.owner)}, which is made for {owner_inputs[name]}, but takes "
                    f"{port} here",
                    f"give {path} a {{ use = … }} of its own, or share the part before it too",
                )
        pathway, owning = path.partition(".")[0], part.owner.partition(".")[0]
        for name in getattr(part.use.config, "borrows", ()):
            lent, used = owners.get(f"{owning}.{name}"), owners.get(f"{pathway}.{name}")
            if name != "backbone" and lent is not None and used != lent:
                diagnostics.add(
                    path,
                    f"shares {diagnostics.describe(part.owner)}, which uses the weights of {lent}, but the {name} of "
                    f"'{pathway}' is another",
                    f'share it too: {pathway}.{name} = {{ share = "{lent}" }}',
                )


def check_named_pathways(recipe: Recipe, diagnostics: Diagnostics) -> None:
    """Pathways that settings of the layout and of trained objectives name must exist and have the mode they need."""
    uses = {"layout": recipe.layout}
    for name in recipe.training.stages or tuple(recipe.stages):
        if name in recipe.stages:
            uses[f"stage.{name}.objective"] = recipe.stages[name].objective
    for path, use in uses.items():
        declared: Any = getattr(use.config, "pathways", None)
        if not callable(declared):
            continue
        try:
            modes = dict(declared())
        except Exception as error:  # a plugin may fail in any way, and the error must name it
            source = f"pathways() of {use.component.reference} of {use.component.provider}"
            diagnostics.add(path, f"{source} failed: {type(error).__name__}: {error}", "fix the plugin")
            continue
        for name, mode in modes.items():
            named = recipe.pathways.get(name)
            if named is None:
                message = f"{use.component.reference} names '{name}', which is not a pathway of this recipe"
                diagnostics.add(path, message, nearest(name, recipe.pathways))
            elif mode and named.mode != mode:
                does = "looks at pictures" if mode == "look" else "draws"
                diagnostics.add(path, f"{use.component.reference} names '{name}', which is not a pathway that {does}")
