"""From conversations to batches: text tokenizer, layout, tilings and image transforms of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from attrs import evolve
from PIL import Image

from ..contracts import Layout, TextTokenizer, Tiling
from ..contracts.factories import make
from ..errors import ComponentError, JaniformError, Problem, UsageError, nearest
from ..guidance import EVERYTHING
from ..ports import Grid
from ..sequence.batch import Batch, Side, collate, pack
from ..sequence.codes import check_codes, check_latents
from ..sequence.conversation import Content, Conversation, Draw, Look, Turn
from ..sequence.corruption import Corruption
from ..sequence.shorten import shortened
from ..sequence.spans import Sequence, Span, without
from ..sequence.tiles import Tiles

if TYPE_CHECKING:
    from ..compose import PathwayShape, Plan
    from ..sequence.conversation import Picture


class Processor:
    """Prepares the input of a plan's model without the model itself, so that it can be pickled for data workers.

    ``folder`` is the model directory that holds the text tokenizer's file, where there is one; ``text`` is an existing
    tokenizer to use instead.
    """

    text: TextTokenizer
    layout: Layout
    pathways: Mapping[str, PathwayShape]

    def __init__(self, plan: Plan, folder: Path | None = None, text: TextTokenizer | None = None) -> None:
        recipe = plan.recipe
        self.pathways = dict(plan.pathways)
        self.text = make(recipe.text.component, recipe.text.config, folder) if text is None else text
        self.layout = make(recipe.layout.component, recipe.layout.config, self.text, self.pathways)
        self.routes = {name: shape.route for name, shape in self.pathways.items()}
        self.sets = len(plan.hidden.routes) + 1
        self._transforms = {name: shape.transform() for name, shape in self.pathways.items()}
        self._also_drawn = dict(_also_drawn(plan))
        self._tilings: dict[str, Tiling] = {}
        for name in self.pathways:
            if (part := plan.parts.get(f"{name}.tiling")) is not None:
                self._tilings[name] = make(part.use.component, part.use.config)

    def sequence(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """The conversation's spans, with every picture transformed for its pathway.

        With ``answer`` the losses are on the assistant's turns; without, the sequence is a prompt to be answered.
        """
        for turn in conversation.turns:
            for piece in turn.content:
                if isinstance(piece, Look | Draw):
                    self._check(piece)
        return self._blocked(self._transformed(self.layout.render(self._tiled(conversation), answer=answer)))

    @property
    def draws_from(self) -> tuple[str, ...]:
        """The pathways through which the model looks at pictures that it draws another from; none where it cannot."""
        return tuple(getattr(self.layout, "draws_from", ()))

    def drawing_prompt(self, prompt: str | Conversation, pathway: str = "generation", thought: str = "") -> Sequence:
        """Everything up to the first code of a picture to draw, with every picture transformed for its pathway.

        ``prompt``: a text, or a conversation that ends with the turn of the user that asks for the picture, in which
        other pictures may be that it is drawn from. ``thought``: a turn of the assistant between that turn and the
        picture; none where it is empty.

        Raises ``UsageError`` for an empty prompt, and for pictures where the model does not draw from any.
        """
        asked = self._asked(prompt, pathway)
        if isinstance(asked, str) and not thought:
            return self.layout.drawing_prompt(asked, pathway)
        conversation = Conversation((Turn("user", asked),)) if isinstance(asked, str) else asked
        if thought:
            conversation = evolve(conversation, turns=(*conversation.turns, Turn("assistant", thought)))
        return self._blocked(self._transformed(self.layout.drawing_prompt(self._tiled(conversation), pathway)))

    def thinking_prompt(self, prompt: str | Conversation, pathway: str = "generation") -> Sequence:
        """Everything up to the thought that is written before a picture; see ``drawing_prompt``, which raises the same.

        It differs from the prompt of an answer where a layout looks at pictures in other ways to draw from them.
        """
        asked = self._asked(prompt, pathway)
        turns = (Turn("user", asked),) if isinstance(asked, str) else asked.turns
        system = None if isinstance(asked, str) else asked.system
        drawing = Conversation((*turns, Turn("assistant", Draw(pathway=pathway))), system)
        return self._blocked(self._transformed(self.layout.render(self._tiled(drawing), answer=False)))

    def _asked(self, prompt: str | Conversation, pathway: str) -> str | Conversation:
        """A checked prompt; as a text where it is nothing else."""
        self._check(Draw(pathway=pathway))
        if isinstance(prompt, Conversation) and len(prompt.turns) == 1 and prompt.system is None:
            only = prompt.turns[0]
            if only.role == "user" and all(isinstance(piece, str) for piece in only.content):
                prompt = only.text
        if isinstance(prompt, str):
            if not prompt.strip():
                raise UsageError("the prompt is empty; expected a text")
            return prompt
        self._check_sources(prompt)
        return prompt

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The sequence with its prompt blanked, for guidance and for condition dropout in training."""
        return self.layout.unconditional(sequence)

    def without(self, sequence: Sequence, hidden: frozenset[str]) -> Sequence:
        """The sequence with a prompt that does not say or show what is hidden: see ``janiform.GuidanceRow``."""
        if not hidden:
            return sequence
        if hidden == EVERYTHING:
            return self.layout.unconditional(sequence)
        own: Any = getattr(self.layout, "without", None)
        if own is None:
            return without(sequence, self.layout.pad_id, hidden)
        return cast(Sequence, own(sequence, hidden))

    @property
    def wholes(self) -> tuple[str, ...]:
        """The pathways that draw pictures as wholes or scale by scale, and not place by place."""
        drawing = {name: shape for name, shape in self.pathways.items() if shape.mode == "draw"}
        return tuple(name for name, shape in drawing.items() if not shape.place_by_place)

    def corrupted(self, sequence: Sequence, chance: np.random.Generator, *, looks: bool = True) -> Sequence:
        """The sequence whose pictures with a loss are corrupted at random where their pathway draws them as wholes.

        Where a process limits that of pictures before a text, those that are looked at have a loss as well; without
        ``looks`` they stay complete.
        """
        if not self.wholes or all(span.kind == "text" for span in sequence.spans):
            return sequence
        if looks and self._also_drawn:
            sequence = self._with_looks_drawn(sequence)
        last = _last_learned_text(sequence)
        return Sequence(self._corrupted(span, chance, index < last) for index, span in enumerate(sequence.spans))

    def _with_looks_drawn(self, sequence: Sequence) -> Sequence:
        """The sequence whose pictures that are looked at before a text with a loss are predicted as well."""
        last = _last_learned_text(sequence)
        spans = []
        for index, span in enumerate(sequence.spans):
            if span.kind == "look" and index < last and span.pathway in self._also_drawn:
                drawing = self._also_drawn[span.pathway]
                span = evolve(span, kind="draw", pathway=drawing, loss=True, looked_at=span.pathway)
            spans.append(span)
        return Sequence(spans)

    def _corrupted(self, span: Span, chance: np.random.Generator, before_text: bool) -> Span:
        if span.kind != "draw" or span.pathway is None:
            return span
        shape = self.pathways[span.pathway]
        corruption = shape.corruption(chance if span.loss else None, before_text=before_text)
        if corruption is None:
            return span
        unread = None
        if shape.drops_hidden and corruption.hidden is not None:
            unread = np.pad(corruption.hidden, (shape.features.lead, shape.features.trail))
        return evolve(span, corruption=corruption, unread=unread)

    def sampled(self, sequence: Sequence, chance: np.random.Generator) -> Sequence:
        """The sequence whose pictures without a loss have seeds where they are latents, which are then samples of their
        posterior in training, as those with a loss are; see ``UnifiedModel.drawn``."""

        def seeded(span: Span) -> Span:
            if span.loss or span.pathway is None or self.pathways[span.pathway].latents is None:
                return span
            return evolve(span, corruption=evolve(span.corruption or Corruption(), seed=int(chance.integers(2**62))))

        return Sequence(map(seeded, sequence.spans))

    def canvas(self, pathway: str) -> Sequence:
        """The positions of a picture that is drawn as a whole or scale by scale, which follow a drawing prompt, with
        the marks that its layout puts there."""
        own: Any = getattr(self.layout, "canvas", None)
        if own is not None:
            return self._blocked(cast(Sequence, own(pathway)))
        picture = Span("draw", (self.layout.pad_id,) * self.pathways[pathway].tokens, pathway, loss=True)
        return self._blocked(Sequence((picture,)))

    def cut(self, sequence: Sequence, length: int) -> Sequence | None:
        """The sequence cut to ``length`` positions by the layout's rule; None where nothing is left to predict."""
        cut: Any = getattr(self.layout, "cut", shortened)
        return cast("Sequence | None", cut(sequence, length))

    def pixels(self, picture: Picture, pathway: str) -> torch.Tensor:
        """The pixels [3, h, w] of a picture for a pathway. Codes [N, d] and pixels stay as they are.

        Raises ``UsageError`` for codes and pixels that do not fit the pathway.
        """
        if isinstance(picture, Tiles):
            raise ComponentError(f"the layout {type(self.layout).__name__} does not support tiled pictures")
        if isinstance(picture, np.ndarray) and picture.ndim == 2 and picture.dtype.kind in "iu":
            picture = torch.from_numpy(picture.astype(np.int64))
        if isinstance(picture, torch.Tensor):
            self._check_tensor(picture, pathway)
            return picture
        return self._transforms[pathway](cast(Any, picture))

    def tiled(self, pathway: str) -> bool:
        """Whether pictures of a pathway are cut into tiles."""
        return pathway in self._tilings

    def collate(self, sequences: SequenceOf[Sequence], side: Side = "right") -> Batch:
        """One sequence per row; see ``janiform.collate``."""
        return collate(sequences, side, pad=self.layout.pad_id, routes=self.routes, sets=self.sets)

    def pack(self, sequences: SequenceOf[Sequence], length: int) -> Batch:
        """Several sequences per row; see ``janiform.pack``."""
        return pack(sequences, length, pad=self.layout.pad_id, routes=self.routes, sets=self.sets)

    def fit(self, texts: Iterable[str]) -> None:
        """Learn the text tokenizer's vocabulary from texts, unless it has one."""
        if not self.text.fitted:
            # In a conversation a space precedes each turn's text, and most tokenizers encode that differently.
            self.text.fit(form for text in texts for form in (text, f" {text}"))

    def _transformed(self, sequence: Sequence) -> Sequence:
        return sequence.with_pictures(
            None if span.picture is None or span.pathway is None else self.pixels(span.picture, span.pathway)
            for span in sequence.spans
            if span.kind != "text"
        )

    def _blocked(self, sequence: Sequence) -> Sequence:
        """The sequence whose pictures are full blocks, one for each scale, where their codes have scales."""
        lengths = {name: shape.block_lengths for name, shape in self.pathways.items() if shape.scales}
        if not lengths:
            return sequence
        return Sequence(
            evolve(span, block_lengths=lengths[span.pathway]) if span.pathway in lengths else span
            for span in sequence.spans
        )

    def _check_sources(self, conversation: Conversation) -> None:
        """Raise ``UsageError`` unless a picture can be drawn from a conversation that ends with the user's turn."""
        if conversation.turns[-1].role != "user":
            raise UsageError("the conversation ends with the assistant's turn; a picture is drawn for the user's")
        pieces = [piece for turn in conversation.turns for piece in turn.content]
        if not any(not isinstance(piece, str) or piece.strip() for piece in conversation.turns[-1].content):
            raise UsageError("the prompt is empty; expected a text")
        if not self.draws_from:
            raise UsageError(
                Problem(
                    "the model draws from a text alone, and the prompt is a conversation or has pictures",
                    hint="a model that learned to draw from pictures has a layout with the setting 'draws_from'",
                )
            )
        most: int = getattr(self.layout, "most_sources", 0)
        sources = sum(isinstance(piece, Look) for piece in conversation.turns[-1].content)
        for piece in pieces:
            if isinstance(piece, Look | Draw):
                self._check(piece)
        if most and sources > most:
            raise UsageError(f"the model draws from at most {most} picture{'s' * (most > 1)}; the prompt has {sources}")

    def _check_tensor(self, picture: torch.Tensor, pathway: str) -> None:
        codes, latents, shape = self.pathways[pathway].codes, self.pathways[pathway].latents, list(picture.shape)
        if picture.is_floating_point() and latents is not None and len(shape) == 2:
            check_latents(picture, latents)
        elif picture.is_floating_point():
            if len(shape) != 3 or shape[0] != 3:
                raise UsageError(f"the pixels of a picture must have the shape [3, h, w], not {shape}")
        elif codes is None:
            raise UsageError(f"the pathway '{pathway}' takes pixels; got codes of the shape {shape}")
        elif shape != [codes.tokens, codes.depth]:
            raise UsageError(f"the codes of '{pathway}' must have the shape {[codes.tokens, codes.depth]}, not {shape}")
        else:
            check_codes(picture, codes)

    def _tiled(self, conversation: Conversation) -> Conversation:
        """The conversation with pictures cut into tiles where their pathway has a tiling."""
        if not self._tilings:
            return conversation
        turns = [Turn(turn.role, [self._cut(piece) for piece in turn.content]) for turn in conversation.turns]
        return evolve(conversation, turns=turns)

    def _cut(self, piece: Content) -> Content:
        if not isinstance(piece, Look) or piece.pathway not in self._tilings or isinstance(piece.picture, torch.Tensor):
            return piece
        if isinstance(piece.picture, np.ndarray) and piece.picture.ndim == 2:  # codes
            return piece
        transform: Any = self._transforms[piece.pathway]
        _, height, width = transform(Image.new("RGB", (32, 32))).shape
        mean = getattr(transform, "mean", (0.5, 0.5, 0.5))
        background = getattr(transform, "background", None) or tuple(
            min(max(int(value * 255), 0), 255) for value in mean
        )
        tiles = self._tilings[piece.pathway].cut(cast(Any, piece.picture), Grid(height, width), background)
        return Look(tiles, piece.pathway)

    def _check(self, piece: Look | Draw) -> None:
        shape = self.pathways.get(piece.pathway)
        if shape is None:
            hint = nearest(piece.pathway, self.pathways)
            raise JaniformError(Problem(f"the model has no pathway '{piece.pathway}'", hint=hint))
        if isinstance(piece, Draw) and shape.mode != "draw":
            raise ComponentError(f"the pathway '{piece.pathway}' looks at pictures and cannot draw them")


def _last_learned_text(sequence: Sequence) -> int:
    """The index of the last span of text with a loss of its own; -1 without any."""
    texts = [span.kind == "text" and span.loss and span.loss_name is None for span in sequence.spans]
    learned = [index for index, text in enumerate(texts) if text]
    return learned[-1] if learned else -1


def _also_drawn(plan: Plan) -> Iterator[tuple[str, str]]:
    """Pathways that look by the parts of one whose process limits pictures before a text, and that pathway."""
    parts = ("tokenizer", "embedding", "adapter")
    drawing = [name for name, shape in plan.pathways.items() if shape.mode == "draw" and shape.before_text]
    for name, shape in plan.pathways.items():
        for other in drawing:
            if shape.mode == "look" and shape.drawn is not None and shape.tiles == 1:
                pairs = [(f"{name}.{part}", f"{other}.{part}") for part in parts]
                if all(one in plan.parts and plan.owner(one) == plan.owner(two) for one, two in pairs):
                    yield name, other
