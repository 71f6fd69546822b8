"""A model to use: it draws pictures from prompts and answers questions about pictures.

model = janiform.load("janus-mini")
pictures = model.generate("a red circle above a blue square", n=4, seed=1)
answer = model.ask(pictures[0], "how many squares are there?")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import torch
from PIL import Image

from . import __version__
from .errors import UsageError, nearest
from .generate import decode_codes, generate_text, sampler_of
from .pictures import Making, as_picture, attach, to_pil
from .room import rows_at_once
from .sequence.conversation import Conversation
from .storage.model_folder import about, model_folder, open_model

if TYPE_CHECKING:
    from .model import UnifiedModel
    from .recipe import Recipe
    from .sequence.spans import Sequence as SpanSequence

PictureLike = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A path, the bytes of a file, a PIL picture, or a uint8 array [h, w, 3]."""

OnStep = Callable[[int, int], None]
"""Called with how much is drawn, and of how much, counted in codes."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_CHARACTERS_A_TOKEN = 64
"""No text has so many: a longer prompt is refused without spending time on its tokens."""


def load(
    model: str | os.PathLike[str], *, device: str | torch.device = "cpu", dtype: str | torch.dtype | None = None
) -> Model:
    """A model that is ready to draw and to answer.

    Args:
        model: the name of a recipe with shipped weights, or the folder of a model or a finished run.
        device: where it computes: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        dtype: of the weights in memory; None is float32.

    Raises:
        UsageError: there is no such model or device.
        StorageError: the model's files are damaged or do not belong together.
    """
    folder = model_folder(os.fspath(model))
    unified = open_model(folder, device=_device(device), dtype=_dtype(dtype))
    return Model(unified, name=os.fspath(model), facts=about(folder))


class Model:
    """A ``UnifiedModel`` with what people want of it. ``facts`` is what ``model.json`` says about the weights."""

    def __init__(self, model: UnifiedModel, *, name: str = "", facts: Mapping[str, Any] | None = None) -> None:
        self.model = model
        self.name = name or model.plan.recipe.name
        self.facts: Mapping[str, Any] = facts or {}

    @property
    def recipe(self) -> Recipe:
        return self.model.plan.recipe

    @property
    def digest(self) -> str:
        """The SHA-256 of the weights' file; empty where they come from none."""
        weights = self.facts.get("weights")
        return str(weights.get("sha256", "")) if isinstance(weights, Mapping) else ""

    def drawing_settings(self, pathway: str | None = None, **overrides: float | int | None) -> dict[str, Any]:
        """The settings that the sampler of a pathway draws with: the recipe's, and overrides that are not None."""
        plan = self.model.plan
        use = plan.parts[plan.owner(f"{self._pathway('draw', pathway)}.sampler")].use
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
    ) -> list[Image.Image]:
        """Draw ``n`` pictures for the prompt, or for each of several; all pictures of a prompt follow one another.

        Args:
            seed: of the first picture of each prompt, counted up by one; or one for every picture. A picture depends on
                its prompt, its seed and the settings, and on nothing that is drawn beside it.
            guidance, temperature, top_k: instead of the recipe's; None keeps those.
            pathway: the one that draws, where there are several.

        Each picture says how it was drawn: ``janiform.making_of(picture)``; ``janiform.save_picture`` keeps that.

        Raises:
            UsageError: a prompt is empty or too long, a setting out of range, or the model cannot draw.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        if n < 1:
            raise UsageError(f"the number of pictures is at least 1, not {n}")
        pathway = self._pathway("draw", pathway)
        seeds = _seeds(seed, len(prompts), n)
        sequences = [self.model.processor.drawing_prompt(self._checked(text, "prompt"), pathway) for text in prompts]
        rows = [sequence for sequence in sequences for _ in range(n)]
        settings = {"guidance": guidance, "temperature": temperature, "top_k": top_k}
        overrides = {name: value for name, value in settings.items() if value is not None}
        sampler = sampler_of(self.model.plan, pathway)
        pictures: list[Image.Image] = []
        for part, report in self._parts(rows, pathway, on_step):
            codes = sampler.draw(
                self.model, rows[part], pathway=pathway, seeds=seeds[part], on_step=report, **overrides
            )
            pictures += [to_pil(pixels) for pixels in decode_codes(self.model, codes, pathway=pathway)]
        for index, picture in enumerate(pictures):
            attach(picture, self.making(prompts[index // n], seeds[index], overrides, pathway=pathway))
        return pictures

    def making(
        self, prompt: str, seed: int, overrides: Mapping[str, Any], *, pathway: str | None = None, count: int = 1
    ) -> Making:
        """What a picture that is drawn like this says about itself; ``count`` is for a sheet of several."""
        pathway = self._pathway("draw", pathway)
        return Making(
            prompt=prompt,
            seed=seed,
            settings=self.drawing_settings(pathway, **overrides),
            pathway=pathway,
            dtype=str(next(self.model.parameters()).dtype).removeprefix("torch."),
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
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        pathway: str | None = None,
    ) -> str:
        """The answer to a question about a picture, or about several together; None asks about no picture.

        Args:
            max_new_tokens: the longest answer; None is 256, or what the context has room for.
            temperature: 0 gives the likeliest answer.

        Raises:
            UsageError: the question is empty or too long, a setting out of range, or the model cannot look.
            PictureError: a picture cannot be read.
        """
        return self.ask_all(
            [(pictures, question)],
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            pathway=pathway,
        )[0]

    def ask_all(
        self,
        questions: Iterable[tuple[PictureLike | Sequence[PictureLike] | None, str]],
        *,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        pathway: str | None = None,
        on_step: OnStep | None = None,
    ) -> list[str]:
        """``ask`` for many (pictures, question) pairs together; each is answered as if it were alone."""
        rows = [self._asking(pictures, question, pathway) for pictures, question in questions]
        answers: list[str] = []
        while len(answers) < len(rows):
            longest = max(len(row) for row in rows[len(answers) :])
            room = self.model.plan.hidden.context - longest
            more = max_new_tokens if max_new_tokens is not None else max(1, min(256, room))
            part = slice(len(answers), len(answers) + rows_at_once(self.model, longest + more))
            answers += generate_text(
                self.model,
                rows[part],
                max_new_tokens=more,
                temperature=temperature,
                top_p=top_p,
                seeds=[seed + index for index in range(len(rows))][part],
            )
            if on_step is not None:
                on_step(len(answers), len(rows))
        return answers

    def _asking(
        self, pictures: PictureLike | Sequence[PictureLike] | None, question: str, pathway: str | None
    ) -> SpanSequence:
        question = self._checked(question, "question")
        if not question.strip():
            raise UsageError("the question is empty: say what to ask")
        if pictures is None:
            pictures = ()
        elif isinstance(pictures, str | bytes | os.PathLike | Image.Image | np.ndarray):
            pictures = (pictures,)
        seen = [as_picture(picture) for picture in pictures]
        way = self._pathway("look", pathway) if seen else ""
        conversation = Conversation.asking(question, *seen, pathway=way)
        return self.model.processor.sequence(conversation, answer=False)

    def _parts(
        self, rows: Sequence[SpanSequence], pathway: str, on_step: OnStep | None
    ) -> Iterator[tuple[slice, OnStep | None]]:
        """The rows in parts that fit into memory together, and who is told about the steps of each."""
        if not rows:
            return
        codes = self.model.plan.pathways[pathway].tokens
        at_once = rows_at_once(self.model, max(len(row) for row in rows) + codes, twice=True)
        starts = range(0, len(rows), at_once)
        for number, start in enumerate(starts):
            report = None if on_step is None else _shifted(on_step, number, len(starts))
            yield slice(start, start + at_once), report

    def _pathway(self, mode: str, name: str | None) -> str:
        known = [key for key, shape in self.model.plan.pathways.items() if shape.mode == mode]
        deed = "draws" if mode == "draw" else "looks at pictures"
        if not known:
            raise UsageError(f"the model '{self.name}' has no pathway that {deed}")
        if name is not None and name not in known:
            hint = nearest(name, known)
            raise UsageError(f"the model has no pathway '{name}' that {deed}" + (f" ({hint})" if hint else ""))
        return name or known[0]

    def _checked(self, text: str, what: str) -> str:
        """The text, unless it is none or could not possibly fit."""
        if not isinstance(text, str):
            raise UsageError(f"a {what} is a text, not {type(text).__name__}")
        context = self.model.plan.hidden.context
        if len(text) > context * _CHARACTERS_A_TOKEN:
            raise UsageError(f"the {what} has {len(text)} characters; the model's context is {context} tokens")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"the {what} is no valid Unicode text") from None
        return text


def _seeds(seed: int | Sequence[int], prompts: int, n: int) -> list[int]:
    seeds = [seed + copy for _ in range(prompts) for copy in range(n)] if isinstance(seed, int) else list(seed)
    if len(seeds) != prompts * n:
        raise UsageError(f"{prompts * n} pictures need {prompts * n} seeds, not {len(seeds)}")
    for value in seeds:
        if not 0 <= value < 2**63:
            raise UsageError(f"a seed is a whole number from 0 to 2^63 - 1, not {value}")
    return seeds


def _shifted(on_step: OnStep, number: int, parts: int) -> OnStep:
    return lambda done, of: on_step(number * of + done, parts * of)


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
