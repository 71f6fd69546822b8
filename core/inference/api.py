"""The Python API: a model that draws pictures from prompts and answers questions about pictures.

model = janiform.load("janus-mini")
pictures = model.generate("a red circle above a blue square", n=4, seed=1)
answer = model.ask(pictures[0], "how many squares are there?")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Unpack

import attrs
import numpy as np
import torch
from PIL import Image

from .. import __version__
from ..arguments import callback, choice, members, shown, text, whole_number
from ..attention.attend import Attention, default_attention
from ..contracts import OnStep
from ..errors import Problem, UsageError, nearest
from ..pictures.provenance import Provenance, attach, pixels_digest
from ..pictures.read import as_picture, is_picture_like
from ..sequence.conversation import Conversation, Look, Turn
from ..storage.digest import files_digest
from ..storage.formats import format_of
from ..storage.open import weights_in
from .answering import AnswerSettings, answer_all, checked_settings, seeds_of
from .drawing import DrawingEvents, DrawingTask, OnPreview, draw_all, draw_codes
from .generate.context import check_context_length
from .generate.images import check_decodes
from .generate.sampler import check_settings, guidance_of, sampler_use
from .memory import OnPlan, memory_for_drawing
from .prompts import check_text, drawing_prompt_of, prompt_of
from .thinking import thoughts_of

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..recipe import Recipe

PictureLike = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
"""A path, the bytes of a file, a file that is open for reading bytes, a PIL picture, or a uint8 array [h, w, 3]."""

MAX_PICTURES = 1_000_000
"""Most pictures of one call for each prompt."""


class Model:
    """A ``UnifiedModel`` that draws, answers and plans its memory.

    ``facts``: the content of ``model.json``. ``quantize``: the quantisation of the backbone, or None. ``folder``: the
    directory of the weights' files, or None.
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
        """The kernel in use: its ``name``, and the ``reason`` why ``"auto"`` chose it."""
        return self.model.attention or default_attention()

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the weights' file; empty for weights that come from no file.

        It is read from ``model.json``, or computed from the files: see ``storage.digest.files_digest``.
        """
        weights = self.facts.get("weights")
        if isinstance(weights, Mapping):
            return str(weights.get("sha256", ""))
        return "" if self.folder is None else files_digest(weights_in(self.folder))

    def drawing_settings(self, pathway: str | None = None, **overrides: Any) -> dict[str, Any]:
        """The settings of a pathway's sampler: the recipe's, replaced by the overrides that are not None.

        Raises ``UsageError`` for overrides that the sampler's config does not declare or does not accept.
        """
        use = sampler_use(self.model.plan, self.pathway("draw", pathway))
        return attrs.asdict(use.config) | check_settings(use, overrides)

    def __repr__(self) -> str:
        return f"<Model {self.name} on {self.model.device}>"

    def generate(
        self,
        prompt: str | Conversation | Sequence[str | Conversation],
        n: int = 1,
        *,
        pictures: PictureLike | Sequence[PictureLike] | None = None,
        seed: int | Sequence[int] = 0,
        think: bool | str = False,
        pathway: str | None = None,
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
        preview_every: int | None = None,
        on_plan: OnPlan | None = None,
        **settings: Any,
    ) -> list[Image.Image]:
        """Draw ``n`` pictures for the prompt, or for each of several; the pictures of a prompt follow one another.

        A prompt may be a conversation that ends with the turn of the user that asks for a picture.

        Args:
            pictures: those that a picture is drawn from, such as one that the prompt asks to change; every prompt gets
                all of them. Only models whose layout has ``draws_from`` learned to draw from pictures.
            seed: seed of the first picture of each prompt, counted up by one; or one per picture. A picture depends on
                its prompt, its seed and the settings, and not on the pictures that are drawn with it.
            think: whether the model first writes what it is going to draw, and draws behind that, as BAGEL does; only a
                model that was trained so gains by it. A text is taken as what it wrote.
            pathway: the one that draws, where there are several.
            on_step: called with the number of codes of all pictures that are drawn, and of how many.
            on_preview: called with a ``Preview`` every ``preview_every`` codes; None is one row of the picture.
            on_plan: called with the ``MemoryPlan`` before anything is computed.
            settings: those of the model's sampler, in place of the recipe's; ``guidance``, ``temperature`` and
                ``top_k`` for the built-in one. None keeps the recipe's value.

        Each picture holds how it was drawn: ``janiform.provenance_of(picture)``; ``janiform.save_picture`` keeps it.

        Raises:
            UsageError: a prompt is empty or too long, a setting is unknown or out of range, or the model cannot draw,
                or not from pictures.
            PictureError: a picture cannot be read.
            ResourceError: not even one picture fits into the free memory.
        """
        for name, value in {"on_step": on_step, "on_preview": on_preview, "on_plan": on_plan}.items():
            callback(name, value)
        if preview_every is not None:
            preview_every = whole_number("preview_every", preview_every, 1)
        pathway = self.pathway("draw", pathway)
        check_decodes(self.model.plan, pathway)
        task = self._drawing(prompt, n, pictures, seed, think, pathway, settings, previews=on_preview is not None)
        if task is None:
            return []
        if on_plan is not None:
            on_plan(task.plan)
        events = DrawingEvents(on_step, on_preview, preview_every)
        drawn = draw_all(self.model, task, events)
        for index, picture in enumerate(drawn):
            request = task.requests[index // n]
            record = self.provenance(request, task.seeds[index], task.settings, pathway=pathway)
            attach(picture, attrs.evolve(record, thought=task.thoughts[index // n]))
        return drawn

    def generate_codes(
        self,
        prompt: str | Conversation | Sequence[str | Conversation],
        n: int = 1,
        *,
        pictures: PictureLike | Sequence[PictureLike] | None = None,
        seed: int | Sequence[int] = 0,
        think: bool | str = False,
        pathway: str | None = None,
        on_step: OnStep | None = None,
        on_plan: OnPlan | None = None,
        **settings: Any,
    ) -> torch.Tensor:
        """Draw as ``generate`` does, but give what is drawn before it is decoded to pixels.

        These are codes int64 [B, N, d], or latents float32 [B, N, C], of all pictures in order, on the CPU. Models
        whose tokenizer has no decoder draw nothing else. Arguments and exceptions are those of ``generate``.
        """
        for name, value in {"on_step": on_step, "on_plan": on_plan}.items():
            callback(name, value)
        pathway = self.pathway("draw", pathway)
        task = self._drawing(prompt, n, pictures, seed, think, pathway, settings, previews=False)
        if task is None:
            return torch.zeros(0)
        if on_plan is not None:
            on_plan(task.plan)
        return draw_codes(self.model, task, DrawingEvents(on_step))

    def _drawing(
        self,
        prompt: str | Conversation | Sequence[str | Conversation],
        n: int,
        pictures: PictureLike | Sequence[PictureLike] | None,
        seed: int | Sequence[int],
        think: bool | str,
        pathway: str,
        settings: Mapping[str, Any],
        *,
        previews: bool,
    ) -> DrawingTask | None:
        """What a call asks to draw, checked, with the memory that it takes; None where that is nothing."""
        single = isinstance(prompt, str | Conversation)
        prompts: list[Any] = [prompt] if single else members("prompt", prompt, "a text, or a list of texts")
        n = whole_number("the number of pictures", n, 1, MAX_PICTURES)
        unified, use = self.model, sampler_use(self.model.plan, pathway)
        overrides = check_settings(use, settings)
        all_settings = attrs.asdict(use.config) | overrides
        seeds = seeds_of(seed, len(prompts) * n, "pictures", repeated=n)
        requests = self._with_sources(prompts, pictures)
        thoughts = thoughts_of(unified, requests, pathway, think)
        thinking = zip(requests, thoughts, strict=True)
        rows = [row for one, thought in thinking for row in [drawing_prompt_of(unified, one, pathway, thought)] * n]
        if not rows:
            return None
        check_context_length(unified, rows, unified.plan.pathways[pathway].tokens, "codes of a picture")
        looks = {span.pathway for row in rows for span in row.spans if span.kind == "look" and span.pathway}
        guidance = guidance_of(unified.plan, use, all_settings, looks)
        plan = memory_for_drawing(unified, rows, pathway, guidance, previews=previews)
        return DrawingTask(requests, thoughts, rows, seeds, plan, pathway, overrides)

    def _with_sources(
        self, prompts: Sequence[Any], pictures: PictureLike | Sequence[PictureLike] | None
    ) -> list[str | Conversation]:
        """The prompts, with pictures before their texts where there are any."""
        sources = self._rgb(pictures)
        if not sources:
            return list(prompts)
        looks = next(iter(self.model.processor.draws_from), "")
        context = self.model.plan.hidden.context
        conversations: list[str | Conversation] = []
        for prompt in prompts:
            if isinstance(prompt, Conversation):
                raise UsageError("the prompt is a conversation: put the pictures into its last turn")
            words = check_text(prompt, "prompt", context)
            if not words.strip():
                raise UsageError("the prompt is empty; expected a text")
            conversations.append(Conversation((Turn("user", (*(Look(one, looks) for one in sources), words)),)))
        return conversations

    def provenance(
        self,
        prompt: str | Conversation,
        seed: int,
        overrides: Mapping[str, Any],
        *,
        pathway: str | None = None,
        count: int = 1,
    ) -> Provenance:
        """How a picture with these settings is drawn by this model; ``count`` is for a sheet of several.

        Of a conversation, the text of the last turn and the digests of the pictures are recorded.
        """
        pathway = self.pathway("draw", pathway)
        turns = prompt.turns if isinstance(prompt, Conversation) else ()
        looks = [piece for turn in turns for piece in turn.content if isinstance(piece, Look)]
        return Provenance(
            prompt=prompt.turns[-1].text if isinstance(prompt, Conversation) else prompt,
            sources=[pixels_digest(piece.picture) for piece in looks],
            turns=len(turns) or 1,
            seed=seed,
            settings=self.drawing_settings(pathway, **overrides),
            pathway=pathway,
            dtype=str(next(self.model.parameters()).dtype).removeprefix("torch."),
            quantize=self.quantize or "",
            attention=self.attention.name,
            sampler=sampler_use(self.model.plan, pathway).component.reference,
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
        """Answer a question about a picture, or about several together; None asks about no picture.

        Args:
            max_new_tokens: the most tokens of an answer; None is 256, or what the context has room for.
            temperature: 0, the default, is greedy.
            top_p: sample from the most likely tokens whose probabilities add up to this; 1 means no limit.
            stop: texts; the answer ends before the first of them.
            seed: random seed, used at temperatures above 0.
            pathway: the one that looks, where there are several.
            on_text: called with each piece of the answer as soon as it is certain; together they are the answer.

        Raises:
            UsageError: the question is empty or too long, a setting out of range, or the model cannot look.
            PictureError: a picture cannot be read.
            ResourceError: not even one answer fits into the free memory.
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
        pairs = members("questions", questions, "(pictures, question) pairs")
        if wrong := [pair for pair in pairs if not isinstance(pair, tuple | list) or len(pair) != 2]:
            raise UsageError(f"questions must be (pictures, question) pairs; one of them is {shown(wrong[0])}")
        conversations = [self._asking(pictures, question, pathway) for pictures, question in pairs]
        return self.reply_all(conversations, seed=seed, on_text=on_text, on_step=on_step, on_plan=on_plan, **settings)

    def reply(
        self,
        conversation: Conversation,
        *,
        seed: int = 0,
        on_text: Callable[[str], None] | None = None,
        **settings: Unpack[AnswerSettings],
    ) -> str:
        """The assistant's next turn in a conversation that ends with the user; ``Chat`` remembers the turns.

        Settings and exceptions are those of ``ask``.
        """
        callback("on_text", on_text)
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
        """``reply`` to many conversations together; each reply is independent of the others.

        Args:
            seed: seed of the first, counted up by one; or one for each.
            on_text: called with the number of a conversation and the next piece of its reply.
            on_step: called with the number of replies that are done, and of how many.
            on_plan: called with the ``MemoryPlan`` before anything is computed.
        """
        for name, value in {"on_text": on_text, "on_step": on_step, "on_plan": on_plan}.items():
            callback(name, value)
        settings = checked_settings(settings)
        rows = [
            prompt_of(self.model, conversation)
            for conversation in members("conversations", conversations, "a list of conversations")
        ]
        seeds = seeds_of(seed, len(rows), "answers")
        return answer_all(self.model, rows, seeds, settings, on_text=on_text, on_step=on_step, on_plan=on_plan)

    def pathway(self, mode: Literal["look", "draw"], name: str | None = None) -> str:
        """The pathway of a name, or the first that looks or draws. Raises ``UsageError`` where there is none."""
        names = [key for key, shape in self.model.plan.pathways.items() if shape.mode == mode]
        choice("mode", mode, ("look", "draw"))
        does = "draws" if mode == "draw" else "looks at pictures"
        if not names:
            raise UsageError(Problem(f"the model '{self.name}' has no pathway that {does}", hint=self._lacking(mode)))
        if name is not None and text("the name of a pathway", name) not in names:
            raise UsageError(Problem(f"the model has no pathway '{name}' that {does}", hint=nearest(name, names)))
        return name or names[0]

    def _lacking(self, mode: Literal["look", "draw"]) -> str:
        """What the model's folder lacks for pathways of a mode, where its format knows it."""
        lacking: Any = None if self.folder is None else getattr(format_of(self.folder).format, "lacking", None)
        return "" if lacking is None else str(lacking(self.folder, mode))

    def _asking(
        self, pictures: PictureLike | Sequence[PictureLike] | None, question: str, pathway: str | None
    ) -> Conversation:
        if not check_text(question, "question", self.model.plan.hidden.context).strip():
            raise UsageError("the question is empty; expected a text")
        rgb = self._rgb(pictures)
        return Conversation.asking(question, *rgb, pathway=self.pathway("look", pathway) if rgb else "")

    def _rgb(self, pictures: PictureLike | Sequence[PictureLike] | None) -> list[Image.Image]:
        """Pictures of a call, read; one, several or none."""
        if pictures is None:
            return []
        several: list[Any] = [pictures]
        if not is_picture_like(pictures):
            several = members("pictures", pictures, "a picture, a list of pictures, or None")
        return [as_picture(picture) for picture in several]
