"""In bfloat16 janiform strays no farther from the reference's float32 than the reference does itself in bfloat16."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from janiform import Batch, open_model
from transformers.models.janus.modeling_janus import JanusForConditionalGeneration

OUTPUTS = ("features", "adapted", "text logits", "embedded codes", "image logits", "pictures")
MODELS = 12

MORE = 1.1
"""Both round differently by chance, in each of a dozen small models; this is what is left of it in their mean."""


def sibling(name: str) -> ModuleType:
    """Another module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def outputs_of_theirs(reference: JanusForConditionalGeneration, pixels, ids, codes) -> list[torch.Tensor]:
    dtype = reference.dtype
    seen = reference.model.get_image_features(pixels.to(dtype))
    hidden = reference.model.language_model(ids).last_hidden_state
    return [
        seen.last_hidden_state,
        seen.pooler_output,
        reference.lm_head(hidden),
        reference.prepare_embeddings_for_image_generation(codes),
        reference.model.generation_head(hidden),
        reference.model.vqmodel.decode(codes),
    ]


@torch.no_grad()
def outputs_of_ours(ours, pixels, ids, codes) -> list[torch.Tensor]:
    features = ours.understanding.encoder(pixels.to(torch.bfloat16))
    nothing = torch.zeros_like(ids)
    hidden = ours.hidden(Batch(ids, torch.arange(ids.shape[1]).expand_as(ids), nothing, nothing, {}, {}, {}))
    return [
        features,
        ours.understanding.adapter(features),
        ours.backbone.logits(hidden),
        ours.embed_drawn(codes[..., None], "generation"),
        ours.generation.head(hidden),
        ours.generation.tokenizer.decode(codes[..., None]),
    ]


def strayed(given: list[torch.Tensor], exact: list[torch.Tensor]) -> torch.Tensor:
    """The root of the mean square by which each output differs, in parts of its own size."""
    pairs = zip(given, exact, strict=True)
    return torch.stack([(a.float().view_as(b) - b).norm() / b.norm() for a, b in pairs])


@pytest.fixture(scope="module")
def strays(official: Path, tmp_path_factory) -> tuple[torch.Tensor, torch.Tensor]:
    """What janiform and transformers stray in bfloat16, each [models, outputs]."""
    twin = sibling("test_transformers_janus")
    ours_strays, theirs_strays = [], []
    for seed in range(MODELS):
        janus_config = twin.config(random.Random(seed + 100))
        reference = JanusForConditionalGeneration(janus_config).eval()
        with torch.no_grad():
            twin.randomise(reference, seed)
            # What bfloat16 can hold, so that nothing differs but the arithmetic.
            for tensor in (*reference.parameters(), *reference.buffers()):
                tensor.copy_(tensor.to(torch.bfloat16))
        folder = tmp_path_factory.mktemp("hf")
        reference.save_pretrained(folder)
        twin.write_processor(folder, official, janus_config)
        ours = open_model(folder, dtype=torch.bfloat16)
        chance = torch.Generator().manual_seed(seed)
        side, tokens = janus_config.vision_config.image_size, janus_config.vision_config.num_image_tokens
        inputs = (
            torch.rand(2, 3, side, side, generator=chance).mul(2).sub(1).to(torch.bfloat16).float(),
            torch.randint(700, (2, 40), generator=chance),
            torch.randint(
                janus_config.vq_config.num_embeddings, (2, ours.plan.pathways["generation"].tokens), generator=chance
            ),
        )
        assert tokens == ours.plan.pathways["understanding"].tokens
        exact = outputs_of_theirs(reference, *inputs)
        theirs_strays.append(strayed(outputs_of_theirs(reference.to(torch.bfloat16), *inputs), exact))
        ours_strays.append(strayed(outputs_of_ours(ours, *inputs), exact))
    return torch.stack(ours_strays), torch.stack(theirs_strays)


@pytest.mark.parametrize("output", range(len(OUTPUTS)), ids=OUTPUTS)
def test_bfloat16_is_as_near_as_the_reference_in_bfloat16(
    strays: tuple[torch.Tensor, torch.Tensor], output: int
) -> None:
    ours, reference = (stray[:, output].square().mean().sqrt().item() for stray in strays)
    assert reference < 0.1
    assert ours <= MORE * reference
