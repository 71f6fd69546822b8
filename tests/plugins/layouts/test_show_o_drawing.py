"""A small Show-o is transformers' Phi with a 4-D mask: its training loss, and the logits of every step of drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from janiform import Canvas, Conversation, Mask, UnifiedModel, UsageError, read_recipe_text, sampler_of
from janiform.compose import compose
from janiform.errors import CompositionError
from janiform.model.build import build_model
from janiform.train.run.start import begin
from janiform_plugins.objectives.next_token import next_token_losses, prediction_counts
from safetensors.torch import save_file
from torch import Tensor

SPECIAL = {"<|endoftext|>": 0, "[PAD]": 1, "<|soi|>": 2, "<|eoi|>": 3, "<|t2i|>": 4, "<|mmu|>": 5}
FIRST, CODES = 230, 16
MASK = FIRST + CODES
RECIPE = f"""
recipe = 1
name = "small-show-o"
understanding = {{ share = "generation" }}
layout = {{ use = "show-o", predict_marks = true }}

[backbone]
use = "phi"
vocabulary = {MASK + 1}
width = 32
inner = 48
layers = 2
heads = 4
context = 256

[text]
use = "bpe"
file = 'FILE'
special_tokens = []

[generation]
adapter = {{ use = "identity" }}
embedding = {{ use = "shared", first = {FIRST}, mask = {MASK} }}
head = {{ use = "shared", first = {FIRST} }}
sampler = {{ use = "masked", steps = 7, guidance = 3.0 }}

[generation.tokenizer]
use = "vq"
image_size = 16
channels = 8
groups = 4
multipliers = [1, 1]
blocks = 1
latent = 8
vocabulary = {CODES}
code_width = 4
attention = false
"""
PROMPTS = ("a cat", "two small dogs on a very long street")


@pytest.fixture
def reference() -> Any:
    """A random Phi of transformers."""
    torch.manual_seed(0)
    config = transformers.PhiConfig(
        vocab_size=MASK + 1,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        attn_implementation="eager",
    )
    phi = transformers.PhiForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in phi.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return phi


@pytest.fixture
def model(characters: Any, reference: Any, tmp_path: Path) -> UnifiedModel:
    """A model around the same language model."""
    characters(SPECIAL, 100, "").save(tmp_path)
    torch.manual_seed(1)
    made = build_model(compose(read_recipe_text(RECIPE.replace("FILE", str(tmp_path / "tokenizer.json")))))
    reference.save_pretrained(tmp_path / "phi")
    begin(made, {"backbone": str(tmp_path / "phi")}, lambda _: None)
    return made.eval()


def full_logits(phi: Any, ids: list[int]) -> Tensor:
    """Logits [T, V] where all from ``<|soi|>`` to ``<|eoi|>`` see one another; in a look, all up to ``<|eoi|>``."""
    start, stop = ids.index(SPECIAL["<|soi|>"]), ids.index(SPECIAL["<|eoi|>"])
    start = 0 if ids[0] == SPECIAL["<|mmu|>"] else start
    allowed = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    allowed[start : stop + 1, start : stop + 1] = True
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)[None, None]
    logits: Tensor = phi(torch.tensor([ids]), attention_mask=mask).logits[0]
    return logits


@torch.no_grad()
def test_every_step_has_the_logits_of_phi(model: UnifiedModel, reference: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [model.processor.drawing_prompt(text) for text in PROMPTS]
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    read = Canvas.logits

    def watched(self: Canvas, codes: Tensor, corrupted: Any) -> Tensor:
        logits = read(self, codes, corrupted)
        steps.append((codes.clone(), corrupted.hidden.clone(), logits))
        return logits

    monkeypatch.setattr(Canvas, "logits", watched)
    partial: list[Tensor] = []
    drawn = sampler_of(model.plan).draw(model, prompts, seeds=[3, 4], on_codes=partial.append)
    assert len(steps) == 7
    assert drawn.shape == (2, 64, 1)
    assert 0 <= int(drawn.min()) <= int(drawn.max()) < CODES
    assert torch.equal(partial[-1], drawn)
    assert int((partial[0] < 0).sum(dim=1).max()) == int(64 * np.cos(np.pi / 14))
    for codes, hidden, logits in steps:
        for row, prompt in enumerate(prompts):
            picture = (codes[row, :, 0] + FIRST).masked_fill(hidden[row], MASK).tolist()
            expected = []
            for given in (prompt.ids, [SPECIAL["<|t2i|>"], 0, 0]):
                whole = full_logits(reference, [*given, SPECIAL["<|soi|>"], *picture, SPECIAL["<|eoi|>"]])
                expected.append(whole[len(given) + 1 : len(given) + 65, FIRST : FIRST + CODES])
            conditional, unconditional = expected
            torch.testing.assert_close(logits[row], 3 * conditional - 2 * unconditional, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_a_picture_does_not_depend_on_its_batch(model: UnifiedModel) -> None:
    prompts = [model.processor.drawing_prompt(text) for text in PROMPTS]
    together = sampler_of(model.plan).draw(model, prompts, seeds=[3, 4])
    alone = [
        sampler_of(model.plan).draw(model, [prompt], seeds=[seed]) for prompt, seed in zip(prompts, (3, 4), strict=True)
    ]
    assert torch.equal(together, torch.cat(alone))


@torch.no_grad()
def test_the_losses_are_those_of_phi(model: UnifiedModel, reference: Any) -> None:
    chance = np.random.default_rng(0)
    pictures = [chance.integers(0, CODES, (64, 1)) for _ in range(3)]
    drawing = [Conversation.drawing(text, codes) for text, codes in zip(PROMPTS, pictures, strict=False)]
    looking = Conversation.asking("what?", pictures[2], answer="a cat")
    processor = model.processor
    sequences = [processor.sequence(each) for each in (*drawing, looking)]
    sequences = [processor.corrupted(each, chance) for each in sequences]
    batch = processor.collate(sequences)
    losses = next_token_losses(model, batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == prediction_counts(model, batch)
    total, count = 0.0, 0
    for sequence in sequences[:2]:
        prompt, _, span, _ = sequence.spans
        hidden = torch.from_numpy(span.corruption.hidden)
        codes = torch.as_tensor(span.picture)[:, 0] + FIRST
        ids = [*prompt.ids, SPECIAL["<|soi|>"], *codes.masked_fill(hidden, MASK).tolist(), SPECIAL["<|eoi|>"]]
        # The labels of the release's t2i_prompt, from <|soi|> on, whose marks are predicted where they stand.
        labels = torch.tensor([SPECIAL["<|soi|>"], *codes.masked_fill(~hidden, -100), SPECIAL["<|eoi|>"]])
        logits = full_logits(reference, ids)[len(prompt.ids) :]
        total += float(torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum"))
        count += int(hidden.sum()) + 2
    assert int(losses["generation"].count) == count
    assert float(losses["generation"].total) == pytest.approx(total, rel=1e-4)
    ids = sequences[2].ids
    ids[2:66] = (pictures[2][:, 0] + FIRST).tolist()
    logits, learned = full_logits(reference, ids), len(sequences[2].spans[-1].ids)
    wanted = torch.nn.functional.cross_entropy(logits[-learned - 1 : -1], torch.tensor(ids[-learned:]), reduction="sum")
    assert float(losses["understanding"].total) == pytest.approx(float(wanted), rel=1e-4)


def test_more_steps_than_places_are_refused(model: UnifiedModel) -> None:
    prompts = [model.processor.drawing_prompt("a cat")]
    with pytest.raises(UsageError, match="10000 steps for the 64 places of a picture"):
        sampler_of(model.plan).draw(model, prompts, steps=10_000)
    with pytest.raises(UsageError, match="steps"):
        sampler_of(model.plan).draw(model, prompts, steps=0)
    with pytest.raises(UsageError, match="no setting 'stepps'"):
        sampler_of(model.plan).draw(model, prompts, stepps=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((f", mask = {MASK}", ""), "has no vector for them"),
        ((f"mask = {MASK}", f"mask = {FIRST + 1}"), "231 is that of a code"),
        (("steps = 7", "steps = 65"), "set 'steps' to at most 64"),
    ],
)
def test_recipes_that_do_not_fit(change: tuple[str, str], message: str) -> None:
    with pytest.raises(CompositionError, match=message):
        compose(read_recipe_text(RECIPE.replace("file = 'FILE'", "vocabulary = 230").replace(*change)))


@torch.no_grad()
def test_it_starts_from_the_names_of_the_release(model: UnifiedModel, reference: Any, tmp_path: Path) -> None:
    for parameter in reference.parameters():
        parameter.mul_(1.1)
    (tmp_path / "release").mkdir()
    tensors = {f"showo.{name}": tensor for name, tensor in reference.state_dict().items()}
    save_file(tensors, tmp_path / "release" / "model.safetensors")
    begin(model, {"backbone": str(tmp_path / "release")}, lambda _: None)
    ids = torch.arange(9)[None]
    states = model.run(model.part("backbone").embed(ids), ids, Mask.causal())  # type: ignore[operator]
    logits = model.part("backbone").logits(states)  # type: ignore[operator]
    torch.testing.assert_close(logits, reference(ids).logits, rtol=1e-4, atol=1e-4)


def test_the_mask_is_not_an_id_of_the_text(model: UnifiedModel) -> None:
    assert model.plan.text_ids == (range(FIRST),)
