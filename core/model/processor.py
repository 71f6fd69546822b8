"""From conversations to batches: text tokenizer, layout, tilings and image transforms of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from ..ports import Grid
from ..sequence.batch import Batch, Side, collate, pack
from ..sequence.conversation import Content, Conversation, Draw, Look, Turn
from ..sequence.shorten import shortened
from ..sequence.spans import Sequence
from ..sequence.tiles import Tiles

if TYPE_CHECKING:
    from ..compose import PathwayShape, Plan
    from ..ports import Codes
    from ..sequence.conversation import Picture


def check_codes(codes: torch.Tensor, port: Codes) -> None:
    """Raise ``UsageError`` where codes of any shape hold one that is not in the vocabulary."""
    low, high = (int(bound) for bound in codes.aminmax()) if codes.numel() else (0, 0)
    if low < 0 or high >= port.vocabulary:
        unknown = low if low < 0 else high
        raise UsageError(f"{unknown} is not a valid code; the vocabulary has the codes 0 to {port.vocabulary - 1}")


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
        self._transforms = {name: shape.transform() for name, shape in self.pathways.items()}
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
        sequence = self.layout.render(self._tiled(conversation), answer=answer)
        return sequence.with_pictures(
            None if span.picture is None or span.pathway is None else self.pixels(span.picture, span.pathway)
            for span in sequence.spans
            if span.kind != "text"
        )

    def drawing_prompt(self, prompt: str, pathway: str = "generation") -> Sequence:
        """Everything up to the first code of a picture to draw. Raises ``UsageError`` for an empty prompt."""
        if not prompt.strip():
            raise UsageError("the prompt is empty; expected a text")
        self._check(Draw(pathway=pathway))
        return self.layout.drawing_prompt(prompt, pathway)

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The sequence with its prompt blanked, for guidance and for condition dropout in training."""
        return self.layout.unconditional(sequence)

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
        return collate(sequences, side, pad=self.layout.pad_id)

    def pack(self, sequences: SequenceOf[Sequence], length: int) -> Batch:
        """Several sequences per row; see ``janiform.pack``."""
        return pack(sequences, length, pad=self.layout.pad_id)

    def fit(self, texts: Iterable[str]) -> None:
        """Learn the text tokenizer's vocabulary from texts, unless it has one."""
        if not self.text.fitted:
            # In a conversation a space precedes each turn's text, and most tokenizers encode that differently.
            self.text.fit(form for text in texts for form in (text, f" {text}"))

    def _check_tensor(self, picture: torch.Tensor, pathway: str) -> None:
        codes, shape = self.pathways[pathway].codes, list(picture.shape)
        if picture.is_floating_point():
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
