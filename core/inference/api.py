"""A model to use: it draws pictures from prompts and answers questions about pictures.

model = janiform.load("janus-mini")
pictures = model.generate("a red circle above a blue square", n=4, seed=1)
answer = model.ask(pictures[0], "how many squares are there?")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import attrs
import numpy as np
import torch
from PIL import Image

from .. import __version__
from ..attention.attend import Attention, default_attention
from ..components.kernels import DEFAULT
from ..errors import UsageError, nearest
from ..pictures import Making, as_picture, attach
from ..sequence.conversation import Conversation
from ..storage.digest import files_digest
from ..storage.model_json import about
from ..storage.open import model_folder, open_model, weights_in
from ..storage.quantize import WAYS
from .answering import AnswerSettings, answer_all, checked, prompt_of, seeds_of
from .drawing import OnPreview, OnStep, draw_all
from .free_memory import free_memory
from .generate.prefill import check_room
from .memory import OnPlan, check_weights, drawing_planned

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..recipe import Recipe

PictureLike = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A path, the bytes of a file, a PIL picture, or a uint8 array [h, w, 3]."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    model: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    quantize: str | None = None,
    only: Literal["look", "draw"] | None = None,
    attention: str = DEFAULT,
) -> Model:
    """A model that is ready to draw and to answer.

    Args:
        model: the name of a recipe with shipped weights, or the folder of a finished run or of a model, which may also
            be one of Janus in the official layout or in that of transformers.
        device: where it computes: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        dtype: of the weights in memory; None is float32.
        quantize: ``"int8"`` or ``"int4"`` keeps the linear layers of the backbone in so few bits; they are widened to
            ``dtype`` where they are multiplied.
        only: ``"look"`` or ``"draw"`` for a model that shall do just that: what the other needs is not read.
        attention: the kernel that computes the language model's attention: ``"sdpa"``, ``"flex"``, … (``janiform
            components kernel`` lists them), or ``"auto"`` for the best one; ``model.attention`` says which and why.

    Raises:
        UsageError: there is no such model, device, dtype or way to quantize, or the kernel cannot do what is asked.
        ComponentError: there is no such kernel.
        StorageError: the model's files are damaged or do not belong together.
        ResourceError: the weights do not fit into the memory that is free.
    """
    name, place, kind = os.fspath(model), _device(device), _dtype(dtype)
    folder = model_folder(name)
    if quantize is not None and quantize not in WAYS:
        raise UsageError(f"there is no way to quantize '{quantize}' ({nearest(quantize, WAYS)})")
    free = free_memory(place)

    def check(needed: int) -> None:
        check_weights(needed, kind or torch.float32, free, place.type, f"'{name}'", quantize)

    opened = open_model(
        folder, device=place, dtype=kind, only=only, quantize=quantize, attention=attention, on_size=check
    )
    return Model(opened, name=name, facts=about(folder), quantize=quantize, folder=folder)


class Model:
    """A ``UnifiedModel`` with what people want of it.

    ``facts`` is what ``model.json`` says about the weights, ``quantize`` how the backbone's were reduced, if they were,
    ``folder`` where their files are.
    """

    def __init__(
        self,
        model: UnifiedModel,
        *,
        name: str = "",
        facts: Mapping[str, Any] | None = None,
        quantize: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.model = model
        self.quantize = quantize
        self.folder = folder
        self.name = name or model.plan.recipe.name
        self.facts: Mapping[str, Any] = facts or {}

    @property
    def recipe(self) -> Recipe:
        return self.model.plan.recipe

    @property
    def attention(self) -> Attention:
        """The kernel in use: its ``name``, and the ``reason`` why ``"auto"`` took it."""
        return self.model.attention or default_attention()

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the weights' file; empty where they come from none.

        ``model.json`` says it. Where there is none, the files are read for it: see ``storage.digest.files_digest``.
        """
        weights = self.facts.get("weights")
        if isinstance(weights, Mapping):
            return str(weights.get("sha256", ""))
        return "" if self.folder is None else files_digest(weights_in(self.folder))

    def drawing_settings(self, pathway: str | None = None, **overrides: float | int | None) -> dict[str, Any]:
        """The settings that the sampler of a pathway draws with: the recipe's, and overrides that are not None."""
        plan = self.model.plan
        use = plan.parts[plan.owner(f"{self.pathway('draw', pathway)}.sampler")].use
        return attrs.asdict(use.config) | {name: value for name, value in overrides.items() if value is not None}

    def __repr__(self) -> str:
        return f"<Model {self.name} on {self.model.device}>"

    def generate(
        self,
        prompt: str | Sequence[str],
        n: int = 1,
        *,
        seed: int | Sequence[int] = 0,
        guidance: float | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        pathway: str | None = None,
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
        preview_every: int | None = None,
        on_plan: OnPlan | None = None,
    ) -> list[Image.Image]:
        """Draw ``n`` pictures for the prompt, or for each of several; all pictures of a prompt follow one another.

        Args:
            seed: of the first picture of each prompt, counted up by one; or one for every picture. A picture depends on
                its prompt, its seed and the settings, and on nothing that is drawn beside it.
            guidance, temperature, top_k: instead of the recipe's; None keeps those.
            pathway: the one that draws, where there are several.
            on_step: called with how many codes of all pictures are drawn, and of how many.
            on_preview: called with a ``Preview`` every ``preview_every`` codes; None is a row of the picture.
            on_plan: called with the ``MemoryPlan`` before any work: how many are drawn at once, and what it takes.

        Each picture says how it was drawn: ``janiform.making_of(picture)``; ``janiform.save_picture`` keeps that.

        Raises:
            UsageError: a prompt is empty or too long, a setting out of range, or the model cannot draw.
            ResourceError: not even one picture fits into the memory that is free.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        if n < 1:
            raise UsageError(f"the number of pictures is at least 1, not {n}")
        pathway = self.pathway("draw", pathway)
        each = [seed + copy for _ in prompts for copy in range(n)] if isinstance(seed, int) else seed
        seeds = seeds_of(each, len(prompts) * n, "pictures")
        texts = [checked(text, "prompt", self.model.plan.hidden.context) for text in prompts]
        sequences = [self.model.processor.drawing_prompt(text, pathway) for text in texts]
        rows = [sequence for sequence in sequences for _ in range(n)]
        settings = {"guidance": guidance, "temperature": temperature, "top_k": top_k}
        overrides = {name: value for name, value in settings.items() if value is not None}
        if not rows:
            return []
        check_room(self.model, rows, self.model.plan.pathways[pathway].tokens, "codes of a picture")
        guided = self.drawing_settings(pathway, **settings).get("guidance") != 1
        plan = drawing_planned(self.model, rows, pathway, guided=guided, previews=on_preview is not None)
        if on_plan is not None:
            on_plan(plan)
        pictures = draw_all(
            self.model,
            rows,
            seeds,
            plan,
            pathway,
            overrides,
            on_step=on_step,
            on_preview=on_preview,
            preview_every=preview_every,
        )
        for index, picture in enumerate(pictures):
            attach(picture, self.making(prompts[index // n], seeds[index], overrides, pathway=pathway))
        return pictures

    def making(
        self, prompt: str, seed: int, overrides: Mapping[str, Any], *, pathway: str | None = None, count: int = 1
    ) -> Making:
        """What a picture that is drawn like this says about itself; ``count`` is for a sheet of several."""
        pathway = self.pathway("draw", pathway)
        return Making(
            prompt=prompt,
            seed=seed,
            settings=self.drawing_settings(pathway, **overrides),
            pathway=pathway,
            dtype=str(next(self.model.parameters()).dtype).removeprefix("torch."),
            quantize=self.quantize or "",
            attention=self.attention.name,
            device=self.model.device.type,
            recipe=self.recipe.name,
            weights_sha256=self.digest,
            janiform=__version__,
            torch=torch.__version__,
            count=count,
        )

    def ask(
        self,
        pictures: PictureLike | Sequence[PictureLike] | None,
        question: str,
        *,
        seed: int = 0,
        pathway: str | None = None,
        on_text: Callable[[str], None] | None = None,
        **settings: Unpack[AnswerSettings],
    ) -> str:
        """The answer to a question about a picture, or about several together; None asks about no picture.

        Args:
            max_new_tokens: the longest answer; None is 256, or what the context has room for.
            temperature: 0, the default, gives the likeliest answer.
            top_p: choose among the likeliest tokens that have so much of the probability together.
            stop: texts before the first of which the answer ends.
            seed: for temperatures above 0.
            pathway: the one that looks, where there are several.
            on_text: called with each piece of the answer as soon as it is certain; together they are the answer.

        Raises:
            UsageError: the question is empty or too long, a setting out of range, or the model cannot look.
            PictureError: a picture cannot be read.
            ResourceError: not even one answer fits into the memory that is free.
        """
        return self.reply(self._asking(pictures, question, pathway), seed=seed, on_text=on_text, **settings)

    def ask_all(
        self,
        questions: Iterable[tuple[PictureLike | Sequence[PictureLike] | None, str]],
        *,
        seed: int | Sequence[int] = 0,
        pathway: str | None = None,
        on_text: Callable[[int, str], None] | None = None,
        on_step: OnStep | None = None,
        on_plan: OnPlan | None = None,
        **settings: Unpack[AnswerSettings],
    ) -> list[str]:
        """``ask`` for many (pictures, question) pairs together; see ``reply_all``."""
        conversations = [self._asking(pictures, question, pathway) for pictures, question in questions]
        return self.reply_all(conversations, seed=seed, on_text=on_text, on_step=on_step, on_plan=on_plan, **settings)

    def reply(
        self,
        conversation: Conversation,
        *,
        seed: int = 0,
        on_text: Callable[[str], None] | None = None,
        **settings: Unpack[AnswerSettings],
    ) -> str:
        """What the assistant says next in a conversation that ends with the user; ``Chat`` remembers the turns.

        The settings, and what is raised, are those of ``ask``.
        """
        show = None if on_text is None else lambda _, text: on_text(text)
        return self.reply_all([conversation], seed=seed, on_text=show, **settings)[0]

    def reply_all(
        self,
        conversations: Iterable[Conversation],
        *,
        seed: int | Sequence[int] = 0,
        on_text: Callable[[int, str], None] | None = None,
        on_step: OnStep | None = None,
        on_plan: OnPlan | None = None,
        **settings: Unpack[AnswerSettings],
    ) -> list[str]:
        """``reply`` to many conversations together; each gets what it gets alone.

        Args:
            seed: of the first, counted up by one; or one for each.
            on_text: called with the number of a conversation and the next piece of its reply.
            on_step: called with how many are replied to, and of how many.
            on_plan: called with the ``MemoryPlan`` before any work: how many are replied to at once.
        """
        rows = [prompt_of(self.model, conversation) for conversation in conversations]
        seeds = seeds_of(seed, len(rows), "answers")
        return answer_all(self.model, rows, seeds, on_text=on_text, on_step=on_step, on_plan=on_plan, **settings)

    def pathway(self, mode: Literal["look", "draw"], name: str | None = None) -> str:
        """The pathway of a name, or the first that looks or draws. Raises ``UsageError`` where there is none."""
        known = [key for key, shape in self.model.plan.pathways.items() if shape.mode == mode]
        deed = "draws" if mode == "draw" else "looks at pictures"
        if not known:
            raise UsageError(f"the model '{self.name}' has no pathway that {deed}")
        if name is not None and name not in known:
            hint = nearest(name, known)
            raise UsageError(f"the model has no pathway '{name}' that {deed}" + (f" ({hint})" if hint else ""))
        return name or known[0]

    def _asking(
        self, pictures: PictureLike | Sequence[PictureLike] | None, question: str, pathway: str | None
    ) -> Conversation:
        if not checked(question, "question", self.model.plan.hidden.context).strip():
            raise UsageError("the question is empty: say what to ask")
        if pictures is None:
            pictures = ()
        elif isinstance(pictures, str | bytes | os.PathLike | Image.Image | np.ndarray):
            pictures = (pictures,)
        seen = [as_picture(picture) for picture in pictures]
        way = self.pathway("look", pathway) if seen else ""
        return Conversation.asking(question, *seen, pathway=way)


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if isinstance(dtype, str):
        if dtype not in _DTYPES:
            raise UsageError(f"there is no dtype '{dtype}' ({nearest(dtype, _DTYPES)})")
        return _DTYPES[dtype]
    return dtype


def _device(device: str | torch.device) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"the device '{device}' cannot be used: {reason}") from None
    return place
