"""Composition connects parts, derives widths, and reports every misfit with both of its ends."""

from __future__ import annotations

import subprocess
import sys

import pytest
from attrs import evolve
from janiform import Codes, CompositionError, Features, Grid, Hidden, Logits
from janiform.compose import Edge, compose
from janiform.recipe import Share
from tiny_parts import Brain, Code, Eye, Line, Plain, Speak, Table, draw, look, recipe, shared, use

HIDDEN = Hidden(8, 13, 64, 2, 1, 4)
CODES = Codes(11, Grid(4, 4), 3)


def problems(made) -> list[str]:
    with pytest.raises(CompositionError) as caught:
        compose(made)
    return [str(problem) for problem in caught.value.problems]


def test_derives_every_port() -> None:
    plan = compose(recipe(look(), draw()))
    assert plan.hidden == HIDDEN
    assert list(plan.parts) == [
        "text",
        "layout",
        "backbone",
        "understanding.encoder",
        "understanding.adapter",
        "generation.tokenizer",
        "generation.embedding",
        "generation.adapter",
        "generation.head",
        "generation.sampler",
    ]
    seen = Features(16, 6, Grid(4, 4))
    assert plan.parts["understanding.adapter"].inputs == {"source": seen, "hidden": HIDDEN}
    assert plan.parts["understanding.adapter"].output == Features(16, 8)
    assert list(plan.parts["generation.head"].inputs) == ["hidden", "drawn"]
    assert plan.parts["generation.head"].output == Logits(11)
    assert plan.parts["generation.sampler"].output is None


def test_pathway_shapes() -> None:
    plan = compose(recipe(look(adapter=use("adapter", Line(merge=2))), draw()))
    seen, drawn = plan.pathways["understanding"], plan.pathways["generation"]
    assert (seen.mode, seen.tokens, seen.codes, seen.features) == ("look", 8, None, Features(8, 8))
    assert (drawn.mode, drawn.tokens, drawn.codes) == ("draw", 16, CODES)
    assert drawn.transform() == Code().transform()


def test_edges_follow_the_data() -> None:
    plan = compose(recipe(look(), draw()))
    assert {(edge.from_path, edge.to_path) for edge in plan.edges} == {
        ("understanding.encoder", "understanding.adapter"),
        ("understanding.adapter", "backbone"),
        ("generation.tokenizer", "generation.embedding"),
        ("generation.embedding", "generation.adapter"),
        ("generation.adapter", "backbone"),
        ("backbone", "generation.head"),
        ("generation.head", "generation.sampler"),
        ("generation.sampler", "generation.tokenizer"),
    }
    assert len(plan.edges) == 8
    assert Edge("generation.head", "generation.sampler", Logits(11)) in plan.edges
    assert Edge("generation.sampler", "generation.tokenizer", CODES) in plan.edges


def test_shared_pathway_has_one_owner_of_each_part() -> None:
    plan = compose(recipe(shared("tokenizer", "embedding", "adapter"), draw()))
    assert plan.owner("understanding.adapter") == "generation.adapter"
    assert plan.owner("backbone") == "backbone"
    assert plan.shared == {
        f"understanding.{role}": f"generation.{role}" for role in ("tokenizer", "embedding", "adapter")
    }
    assert plan.pathways["understanding"].codes == CODES
    assert plan.edges == compose(recipe(draw())).edges


def test_three_pathways() -> None:
    third = draw("painting", tokenizer=use("tokenizer", Code(vocabulary=7)), adapter=Share("generation.adapter"))
    plan = compose(recipe(look(), draw(), third))
    assert plan.parts["painting.head"].output == Logits(7)
    assert plan.owner("painting.adapter") == "generation.adapter"
    assert set(plan.pathways) == {"understanding", "generation", "painting"}


def test_a_language_model_alone_composes() -> None:
    assert compose(recipe()).pathways == {}


def test_missing_parts() -> None:
    found = problems(recipe(look(encoder=None), draw(tokenizer=None, head=None)))
    assert len(found) == 3
    assert found[0].startswith(
        "tiny.toml:1: understanding: looks at pictures, but has neither an encoder nor a tokenizer"
    )
    assert found[1].startswith("tiny.toml:2: generation: draws and so needs a tokenizer, which is missing")
    assert "a head" in found[2]
    assert "janiform components head" in found[2]


def test_foreign_parts() -> None:
    found = problems(recipe(look(head=use("head")), draw(encoder=use("encoder"))))
    assert "understanding.head: a head does not belong in the pathway 'understanding', which looks" in found[0]
    assert "generation.encoder: an encoder does not belong in the pathway 'generation', which draws" in found[1]
    assert "tokenizer, embedding, adapter, head, sampler" in found[1]


def test_an_encoder_and_a_tokenizer_at_once() -> None:
    (found,) = problems(recipe(look(tokenizer=use("tokenizer"))))
    assert "understanding.tokenizer: a tokenizer does not belong" in found


def test_sharing_of_another_kind_names_both_ends_and_what_would_fit() -> None:
    (found,) = problems(recipe(look(encoder=Share("generation.tokenizer")), draw("generation"), draw("painting")))
    assert "understanding.encoder: shares generation.tokenizer (tiny@1, tiny.toml:15)" in found
    assert "is a tokenizer, where an encoder is needed" in found
    (found,) = problems(recipe(draw(), draw("painting", head=Share("generation.adapter"))))
    assert "a head of this recipe: generation.head" in found


@pytest.mark.parametrize("target", ["generation.adaptor", "nowhere"])
def test_sharing_what_is_not_there(target: str) -> None:
    (found,) = problems(recipe(look(adapter=Share(target)), draw()))
    assert f"shares '{target}', which is not a part of this recipe" in found
    assert ("did you mean 'generation.adapter'?" in found) == (target != "nowhere")


def test_sharing_in_a_circle() -> None:
    circle = recipe(look(adapter=Share("generation.adapter")), draw(adapter=Share("understanding.adapter")))
    found = problems(circle)
    assert len(found) == 2
    assert "understanding.adapter → generation.adapter → understanding.adapter" in found[0]


def test_a_shared_part_must_meet_the_ports_it_is_made_for() -> None:
    (found,) = problems(recipe(look(), draw(adapter=Share("understanding.adapter"))))
    assert "generation.adapter: shares understanding.adapter (tiny@1, tiny.toml:14)" in found
    assert "made for features [B, 16, 6] on 4×4, but takes features [B, 16, 3] on 4×4 here" in found


def test_misfit_names_both_ends_with_their_lines() -> None:
    (found,) = problems(recipe(look(encoder=use("encoder", Eye(side=3)), adapter=use("adapter", Line(merge=2)))))
    assert found.startswith("tiny.toml:14: understanding.adapter: tiny@1 does not fit")
    assert "9 tokens cannot be merged by 2; 1 or 2 would fit" in found
    assert "understanding.encoder (tiny@1, tiny.toml:13) gives features [B, 9, 6] on 3×3" in found
    assert "backbone (tiny@1, tiny.toml:10) gives hidden [B, T, 8]" in found


@pytest.mark.parametrize("fails", [False, True])
def test_codes_are_not_drawn_through_what_mixes_them(fails: bool) -> None:
    class Mixes:
        def adapt(self, source: Features, hidden: Hidden) -> Features:
            if fails and source.tokens == 1:
                raise KeyError("grid")
            return Features(16, hidden.width)

    (found,) = problems(recipe(look(adapter=use("adapter", Mixes())), draw(adapter=use("adapter", Mixes()))))
    assert "generation.adapter: tiny@1 mixes the codes of a picture, but they are drawn one after the other" in found


def test_all_problems_at_once_and_none_twice() -> None:
    class Fails:
        def features(self) -> Features:
            raise KeyError("size")

    found = problems(
        recipe(
            look(encoder=use("encoder", Fails())),
            draw(head=use("head", Speak(extra=2)), adapter=use("adapter", Line(merge=2))),
            text=use("text", Plain(vocabulary=99)),
        )
    )
    assert len(found) == 4
    assert "tiny.toml:11: text: tiny@1 has ids up to 99" in found[0]
    assert "features() of tiny@1 of plugin 'tiny-plugin' failed: KeyError: 'size'" in found[1]
    assert "generation.head" in found[2]
    assert "logits [B, T, 1, 13]" in found[2]
    assert "use a head over 11 codes of depth 1" in found[2]
    assert "each of the 16 codes takes one position" in found[3]


@pytest.mark.parametrize(
    ("port", "said"),
    [
        (None, "gave NoneType, not Features"),
        (CODES, "gave Codes, not Features"),
        (Features(0, 4), "whose tokens of 0 is not a positive whole number"),
        (Features(4, 2.5), "whose width of 2.5 is not a positive whole number"),
        (Features(4, True), "whose width of True is not a positive whole number"),
        (Features(4, 4, Grid(2, 3)), "whose grid has 6 positions for 4 tokens"),
        (Features(4, 4, Grid(-2, -2)), "whose grid of -2×-2 is not a positive whole number"),
    ],
)
def test_a_port_that_cannot_be_is_the_plugins_fault(port: object, said: str) -> None:
    class Wrong:
        def features(self) -> object:
            return port

    (found,) = problems(recipe(look(encoder=use("encoder", Wrong()))))
    assert said in found
    assert "plugin" in found


def test_a_config_without_a_port() -> None:
    (found,) = problems(recipe(backbone=use("backbone", Plain())))
    assert "the config of tiny@1 of plugin 'tiny-plugin' lacks hidden()" in found


def test_an_adapter_that_misses_the_hidden_width() -> None:
    class Wide:
        def adapt(self, source: Features, hidden: Hidden) -> Features:
            return evolve(source, width=hidden.width + 1)

    (found,) = problems(recipe(look(adapter=use("adapter", Wide()))))
    assert "gives features [B, 16, 9] on 4×4, but backbone (tiny@1, tiny.toml:10) takes hidden [B, T, 8]" in found
    assert "use a part that gives a width of 8" in found


def test_an_embedding_may_choose_its_width_but_not_its_length() -> None:
    class Short:
        def embed(self, codes: Codes, hidden: Hidden) -> Features:
            return Features(codes.tokens - 1, 4)

    assert compose(recipe(draw(embedding=use("embedding", Table(width=5))))).parts["generation.adapter"].inputs[
        "source"
    ] == Features(16, 5, Grid(4, 4))
    found = problems(recipe(draw(embedding=use("embedding", Short()))))
    assert "generation.embedding: tiny@1 gives features [B, 15, 4]" in found[0]


def test_a_picture_must_leave_room_for_text() -> None:
    compose(recipe(look(), backbone=use("backbone", Brain(context=32))))
    (found,) = problems(recipe(look(), backbone=use("backbone", Brain(context=31))))
    assert "takes 16 positions with tiny@1, but backbone (tiny@1, tiny.toml:10) has a context of 31" in found
    assert "use a context of at least 32" in found


def test_composing_needs_no_torch() -> None:
    code = "import sys, janiform.compose; from janiform.compose import compose; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
