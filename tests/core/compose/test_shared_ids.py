"""Codes that share ids with the text, and the transform that a pathway takes from another."""

from __future__ import annotations

import pytest
import torch
from janiform import CompositionError, Plan, RecipeError, build_model, read_recipe_text
from janiform.compose import compose
from janiform.inference.generate.sampling import Sampling
from janiform.inference.generate.text import TextOutput

SHARED = """
recipe = 1
name = "shared"
extends = "janus-mini-coupled"
backbone.vocabulary = 1500
"""


def plan_of(text: str) -> Plan:
    return compose(read_recipe_text(text))


def ids(first: int, in_text: str) -> str:
    part = f'{{ use = "shared", first = {first}, in_text = {in_text} }}'
    return f"{SHARED}generation.embedding = {part}\ngeneration.head = {part}\ntext.vocabulary = 1500\n"


def test_text_is_on_both_sides_of_codes_that_are_its_tokens() -> None:
    plan = plan_of(ids(4, "true"))
    assert plan.text_ids == (range(4), range(1028, 1500))
    assert plan_of(ids(4, "true").replace("first = 4", "first = 476")).text_ids == (range(476),)


def test_codes_that_are_no_tokens_of_the_text_come_after_it() -> None:
    with pytest.raises(CompositionError, match="those from 4 on are the codes"):
        plan_of(ids(4, "false"))
    assert plan_of("recipe = 1\nname = 'a'\nextends = 'janus-mini'").text_ids == (range(512),)


def test_codes_among_the_text_need_the_first_id() -> None:
    with pytest.raises(CompositionError, match="set 'first'"):
        plan_of(ids(0, "true"))


def test_ids_of_codes_are_never_sampled_as_text() -> None:
    plan = plan_of(ids(4, "true"))
    model = build_model(plan, seed=0)
    output = TextOutput(model)
    hidden = torch.randn(4000, plan.hidden.width)
    with torch.no_grad():
        logits = model.part("backbone").logits(hidden)
        allowed = torch.tensor([id for some in plan.text_ids for id in some])
        greedy = output.sample(logits, Sampling(temperature=0), None)
        drawn = output.sample(output.project(hidden), Sampling(temperature=9.0), torch.rand(4000, dtype=torch.float64))
    assert torch.equal(greedy, allowed[logits[:, allowed].argmax(-1)])
    assert not ((drawn >= 4) & (drawn < 1028)).any()
    assert (drawn < 4).any()
    assert (drawn >= 1028).any()


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        ('"sideways"', "'sideways' is not another pathway of this recipe"),
        ('"generation"', "'generation' is not another pathway of this recipe"),
        ("3", "expected the name of a pathway, got 3"),
    ],
)
def test_a_transform_is_that_of_another_pathway(transform: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        plan_of(f"recipe = 1\nname = 'a'\nextends = 'janus-mini'\ngeneration.transform = {transform}")


def test_a_transform_is_not_taken_from_a_pathway_without_one() -> None:
    with pytest.raises(RecipeError, match="has the transform of a pathway itself"):
        plan_of(
            "recipe = 1\nname = 'a'\nextends = 'janus-mini'\ngeneration.transform = 'understanding'\n"
            "understanding.transform = 'generation'"
        )


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("layout.draws_from = ['understandin']", "names 'understandin', which is not a pathway of this recipe"),
        ("layout.draws_from = ['generation']", "names 'generation', which is not a pathway that looks at pictures"),
        ("stage.stage-3.objective.dropout = { words = 0.5 }", "names 'words', which is not a pathway of this recipe"),
        ("stage.tokenizer.objective.pathway = 'generatio'", "names 'generatio', which is not a pathway of this recipe"),
        ("stage.encoder.objective.pathway = 'generation'", "names 'generation', which is not a pathway that looks"),
    ],
)
def test_pathways_that_settings_name_are_there(setting: str, sentence: str) -> None:
    with pytest.raises(CompositionError, match=sentence):
        plan_of(f"recipe = 1\nname = 'a'\nextends = 'janus-mini'\n{setting}")


def test_a_stage_that_is_not_trained_may_name_a_pathway_that_is_not_there() -> None:
    text = "recipe = 1\nname = 'a'\nextends = 'janus-mini'\nstage.tokenizer.objective.pathway = 'other'\n"
    assert plan_of(text + "training.stages = ['stage-3']")
    assert plan_of(text.replace("stage.tokenizer.objective.pathway = 'other'", "layout.draws_from = ['understanding']"))
