"""Small models of real parts, for everything that runs over a whole model."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from janiform.model.build import build_model

if TYPE_CHECKING:
    from janiform import Processor, UnifiedModel

# What is computed here is small, and each core has a worker of its own; processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is slow, which is not an error of the tested code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

sys.path.insert(0, str(Path(__file__).parent))  # helpers that tests of several folders import

OFFICIAL = Path(__file__).parent / "fixtures" / "janus-official-tiny"

BACKBONE = {"width": 32, "inner": 64, "layers": 2, "heads": 4, "vocabulary": 320, "context": 256}
ENCODER = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}
TOKENIZER = {"image_size": 16, "channels": 8, "groups": 4, "multipliers": (1, 1, 2), "blocks": 1, "latent": 8,
             "vocabulary": 24, "code_width": 4}  # fmt: skip

TEXTS = [f"a {size} {colour} {shape} is above the {shape}" for size in ("small", "large") for colour in ("red", "blue")
         for shape in ("circle", "square")] * 3  # fmt: skip


def make_plan(pathways: dict[str, Any] | None = None, **settings: dict[str, Any]) -> Any:
    """A plan of the built-in parts with other ``settings`` by path; ``pathways`` replace the usual two."""
    from janiform import registry
    from janiform.compose import compose
    from janiform.recipe import Pathway, Recipe, Use

    def use(kind: str, name: str, path: str, **config: Any) -> Use:
        component = registry().find(kind, name)
        return Use(kind, component, component.config(**config | settings.get(path, {})))

    drawing = {
        "tokenizer": use("tokenizer", "vq", "generation.tokenizer", **TOKENIZER),
        "embedding": use("embedding", "table", "generation.embedding"),
        "adapter": use("adapter", "mlp", "generation.adapter"),
        "head": use("head", "mlp", "generation.head"),
        "sampler": use("sampler", "autoregressive", "generation.sampler"),
    }
    looking = {
        "encoder": use("encoder", "siglip", "understanding.encoder", **ENCODER),
        "adapter": use("adapter", "mlp", "understanding.adapter"),
    }
    ways = {
        "understanding": Pathway("understanding", "look", looking),
        "generation": Pathway("generation", "draw", drawing),
    }
    return compose(
        Recipe(
            name="tiny",
            description="",
            backbone=use("backbone", "llama", "backbone", **BACKBONE),
            text=use("text", "bpe", "text", vocabulary=320),
            layout=use("layout", "janus", "layout", system="Be brief."),
            pathways=ways | (pathways or {}),
        )
    )


def fitted(plan: Any) -> UnifiedModel:
    """The plan's model in float32, with a learned vocabulary, and weights with which choices depend on the prompt."""
    import torch

    torch.manual_seed(0)
    model = build_model(plan)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(40 if "o_proj" in name else 12 if "qkv" in name and "backbone" in name else 4)
    model.processor.fit(TEXTS)
    return model.eval()


@pytest.fixture(name="make_plan", scope="session")
def _make_plan() -> Callable[..., Any]:
    return make_plan


@pytest.fixture(name="fitted", scope="session")
def _fitted() -> Callable[[Any], UnifiedModel]:
    return fitted


@pytest.fixture(scope="session")
def tiny_plan() -> Any:
    return make_plan()


@pytest.fixture(scope="session")
def tiny_model(tiny_plan: Any) -> UnifiedModel:
    """Shared by the session: do not change its weights."""
    return fitted(tiny_plan)


@pytest.fixture(scope="session")
def processor(tiny_model: UnifiedModel) -> Processor:
    return tiny_model.processor


@pytest.fixture(scope="session")
def official() -> Path:
    """A checkpoint directory in the official layout, with what the official implementation computes with it."""
    return OFFICIAL


@pytest.fixture(scope="session")
def official_model(official: Path) -> UnifiedModel:
    """The model of the official checkpoint, opened as users open it."""
    from janiform import open_model

    return open_model(official)
