"""Whatever a file holds, reading it gives a recipe or a report, and never another exception."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import RecipeError, Registry
from janiform.recipe import dumps, read_recipe_text
from toy_components import TRAINED

SEED_TEXT = (
    TRAINED
    + """
[editing]
mode = "look"
tokenizer = { share = "generation.tokenizer" }
embedding = { share = "generation.embedding" }
adapter = { use = "bend", inner = { size = 3, names = ["a", "b"] }, pair = [1, 2], table = { x = 1.5 } }

[training]
stages = ["second", "first"]
"""
)

VALUES = [
    "0", "-1", "1e400", "nan", "inf", "true", '"x"', "''", "[]", "{}", "[[[]]]", '{ use = "eye" }', "9" * 400, "0xff",
    '{ share = "generation" }', '{ share = "editing.adapter" }', "1979-05-27", '"\\u0000"', '"' + "y" * 500 + '"',
]  # fmt: skip
WORDS = [
    "use", "preset", "share", "mode", "extends", "recipe", "name", "stage", "source", "training", "base", "editing",
    "understanding", "generation", "encoder", "objective", "backbone", "big", "eye", "brain@2", "snail", "a.b",
]  # fmt: skip


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        lines = text.split("\n")
        at = chance.randrange(len(lines))
        match chance.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, chance.choice(lines))
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = lines[at].partition("=")[0] + "= " + chance.choice(VALUES)
            case 4:
                lines.insert(at, f"{chance.choice(WORDS)}.{chance.choice(WORDS)} = {chance.choice(VALUES)}")
            case 5:
                lines.insert(at, f"[{chance.choice(WORDS)}.{chance.choice(WORDS)}]")
            case 6:
                words = [word for word in WORDS if word in lines[at]]
                if words:
                    lines[at] = lines[at].replace(chance.choice(words), chance.choice(WORDS))
            case 7:
                place = chance.randrange(len(lines[at]) + 1)
                letter = chance.choice(string.printable + "é\0\ufeff")
                lines[at] = lines[at][:place] + letter + lines[at][place + chance.randrange(3) :]
        text = "\n".join(lines)
    return text


def reads(toys: Registry, text: str, *overrides: str) -> bool:
    """Whether it is a recipe; anything but a report of problems that have places fails."""
    try:
        recipe = read_recipe_text(text, "fuzz.toml", overrides, registry=toys)
    except RecipeError as error:
        problems = error.problems
    else:
        assert read_recipe_text(dumps(recipe), registry=toys) == recipe
        return True
    assert problems
    assert all(problem.message and problem.origin for problem in problems)
    return False


def outcomes(toys: Registry, count: int, seed: int) -> int:
    chance = random.Random(seed)
    return sum(reads(toys, mutated(SEED_TEXT, chance)) for _ in range(count))


def test_mutated_recipes_read_or_report(toys: Registry) -> None:
    assert reads(toys, SEED_TEXT)
    assert 15 < outcomes(toys, 300, seed=1) < 285, "both happen"


@pytest.mark.slow
def test_ten_thousand_mutated_recipes_read_or_report(toys: Registry) -> None:
    assert outcomes(toys, 10_000, seed=2) > 500


@settings(deadline=None, max_examples=60)
@given(
    line=st.text(max_size=30) | st.builds("{}.{} = {}".format, *[st.sampled_from(WORDS)] * 2, st.sampled_from(VALUES))
)
def test_any_override_reads_or_reports(toys: Registry, line: str) -> None:
    reads(toys, SEED_TEXT, line)


@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=60))
def test_any_text_reads_or_reports(toys: Registry, text: str) -> None:
    assert not reads(toys, text)
