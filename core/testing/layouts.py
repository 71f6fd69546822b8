"""Conformance tests of layouts, with a text tokenizer of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..contracts.factories import make
from ..errors import ComponentError
from ..sequence.conversation import Conversation, Draw, Look, Turn
from ..sequence.spans import Sequence as SpanSequence
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import conversations, picture, small_model


class Bytes:
    """Text as its bytes; a token with a sign in it, such as ``<image>``, is special and gets an id of its own."""

    fitted = True

    def __init__(self) -> None:
        self.special: dict[str, int] = {}

    def fit(self, texts: Iterable[str]) -> None: ...

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(id for id in ids if id < 256).decode(errors="replace")

    def id_of(self, token: str) -> int:
        if token.replace("_", "").isalnum():
            raise ComponentError(f"the text tokenizer has no special token '{token}'")
        return self.special.setdefault(token, 256 + len(self.special))

    def save(self, folder: Any) -> None: ...


def _layout(case: Case) -> tuple[Any, Bytes]:
    text = Bytes()
    return make(case.component, case.config, text, small_model().plan.pathways), text


def _samples(case: Case) -> list[Conversation]:
    return [
        *conversations(case.seed),
        Conversation([Turn("user", "first?"), Turn("assistant", "one"), Turn("user", "then?"), Turn("assistant", "2")]),
        Conversation([Turn("user", (Look(picture(1)), "and ", Look(picture(2)))), Turn("assistant", "both")], "Look."),
    ]


def renders_every_picture(case: Case) -> None:
    """Every picture becomes a span of its pathway, in order, with as many positions as the pathway has tokens."""
    layout, _ = _layout(case)
    pathways = small_model().plan.pathways
    for conversation in _samples(case):
        pieces = [piece for turn in conversation.turns for piece in turn.content if isinstance(piece, Look | Draw)]
        sequence = layout.render(conversation)
        require(
            isinstance(sequence, SpanSequence), f"{case.name}: `render` gave {type(sequence).__name__}, not a Sequence"
        )
        spans = [span for span in sequence.spans if span.kind != "text"]
        wanted = [("look" if isinstance(piece, Look) else "draw", piece.pathway) for piece in pieces]
        require(
            [(span.kind, span.pathway) for span in spans] == wanted,
            f"{case.name}: renders {[(span.kind, span.pathway) for span in spans]} for pictures {wanted}",
        )
        for span, piece in zip(spans, pieces, strict=True):
            tokens = pathways[piece.pathway].tokens
            require(
                span.length == tokens,
                f"{case.name}: gives a picture of '{piece.pathway}' {span.length} positions, expected {tokens}",
            )
            require(span.picture is piece.picture, f"{case.name}: a span does not hold the picture of its turn")


def learns_answers_alone(case: Case) -> None:
    """The assistant's texts and pictures have a loss, ended by a stop id; what the user writes has none."""
    layout, text = _layout(case)
    require(bool(layout.stop_ids), f"{case.name}: has no stop id, so an answer never ends")
    question, answer = "wherefore?", "thereupon"
    sequence = layout.render(Conversation.asking(question, picture(0), answer=answer))
    learned = [id for span in sequence.spans if span.loss for id in span.ids]
    given = [id for span in sequence.spans if not span.loss for id in span.ids]
    require(answer in text.decode(learned), f"{case.name}: the assistant's text has no loss")
    require(question in text.decode(given), f"{case.name}: the user's text has a loss, or is not rendered")
    require(question not in text.decode(learned), f"{case.name}: the user's text has a loss")
    require(
        learned[-1] in tuple(layout.stop_ids),
        f"{case.name}: an answer does not end with a stop id that has a loss, so a model does not learn to end one",
    )
    instructed = layout.render(Conversation(Conversation.asking(question, answer=answer).turns, "be terse"))
    shown = [id for span in instructed.spans if not span.loss for id in span.ids]
    require(
        "be terse" in text.decode(shown),
        f"{case.name}: does not render the system prompt of a conversation, or gives it a loss",
    )
    for example in conversations(case.seed):
        if example.draws:
            spans = [span for span in layout.render(example).spans if span.kind == "draw"]
            require(all(span.loss for span in spans), f"{case.name}: a picture to draw has no loss")


def prompts_as_it_trains(case: Case) -> None:
    """The prompt of an answer, and that of a picture, is the beginning of the sequence that is trained on."""
    layout, _ = _layout(case)
    for conversation in _samples(case):
        whole = layout.render(conversation).ids
        if conversation.draws:
            prompt = layout.drawing_prompt(conversation.turns[0].text, "generation")
            start = "drawing_prompt"
        else:
            prompt, start = layout.render(conversation, answer=False), "render(answer=False)"
            require(
                layout.render(Conversation(conversation.turns[:-1], conversation.system), answer=False) == prompt,
                f"{case.name}: `render(answer=False)` differs where the last turn is an answer; leave that turn out",
            )
        require(not any(span.loss for span in prompt.spans), f"{case.name}: `{start}` gives a loss")
        require(
            whole[: len(prompt)] == prompt.ids and len(prompt) < len(whole),
            f"{case.name}: `{start}` is not the beginning of what is trained on, so a model is asked in another way "
            "than it learned",
        )


def draws_from_pictures_as_it_trains(case: Case) -> None:
    """The prompt of a picture that is drawn from others is the beginning of what is trained on, and shows them all."""
    layout, _ = _layout(case)
    pathways = tuple(getattr(layout, "draws_from", ()))
    if not pathways:
        return
    drawing = Conversation.drawing("make it red", picture(1), sources=[picture(0)], looks=pathways[0])
    whole, prompt = layout.render(drawing), layout.drawing_prompt(Conversation(drawing.turns[:1]), "generation")
    require(
        whole.ids[: len(prompt)] == prompt.ids and len(prompt) < len(whole),
        f"{case.name}: `drawing_prompt` of a conversation is not the beginning of what is trained on",
    )
    looks = [span.pathway for span in prompt.spans if span.kind == "look"]
    require(
        looks == list(pathways),
        f"{case.name}: a picture to draw from is looked at through {looks}, but draws_from has {list(pathways)}",
    )


def blanks_its_prompts(case: Case) -> None:
    """``unconditional`` keeps the pictures to draw, and hides what the prompt says."""
    layout, _ = _layout(case)
    first, second = (layout.drawing_prompt(prompt, "generation") for prompt in ("a red cat", "a big dog"))
    blank, other = layout.unconditional(first), layout.unconditional(second)
    require(blank.ids == other.ids, f"{case.name}: `unconditional` still depends on the words of the prompt")
    drawing = layout.render(conversations(case.seed)[0])
    kept = [span for span in layout.unconditional(drawing).spans if span.kind == "draw"]
    require(
        kept == [span for span in drawing.spans if span.kind == "draw"],
        f"{case.name}: `unconditional` changes the picture to draw",
    )


LAYOUT_CHECKS: tuple[Callable[[Case], None], ...] = (
    renders_every_picture,
    learns_answers_alone,
    prompts_as_it_trains,
    draws_from_pictures_as_it_trains,
    blanks_its_prompts,
    keeps_its_config_through_a_recipe,
)
