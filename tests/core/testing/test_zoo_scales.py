"""Broken parts for codes of several scales: each check catches what it is for, and says so in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from janiform import registry
from janiform.testing import samplers, scales
from janiform.testing.case import Case, _ports, _scaled
from janiform.testing.suite import run_check
from janiform_plugins.embeddings.config import ScalesConfig as EmbeddingConfig
from janiform_plugins.embeddings.scales import ScalesEmbedding
from janiform_plugins.samplers.scales.config import ScalesConfig as SamplerConfig
from janiform_plugins.samplers.scales.sampler import ScalesSampler
from janiform_plugins.tokenizers.scales_vq.config import ScalesVqConfig
from janiform_plugins.tokenizers.scales_vq.tokenizer import ScalesVqTokenizer


class DecodesAllScalesOnly(ScalesVqTokenizer):
    def decode(self, codes):
        return super().decode(codes).mul(float("nan") if codes.shape[1] < 21 else 1.0)


class DecodesSmallPictures(ScalesVqTokenizer):
    """Decodes the codes so far on the grid of their own scale."""

    def decode(self, codes):
        pixels = super().decode(codes)
        return pixels if codes.shape[1] == 21 else pixels[..., ::2, ::2]


class CountsFromTheEnd(ScalesVqTokenizer):
    def vectors(self, codes):
        return super().vectors(codes) * codes.shape[1]


class ShowsItsOwnCodes(ScalesEmbedding):
    def forward(self, codes, first=0, corrupted=None):
        return super().forward(codes) + codes[..., :1]


class LooksAhead(ScalesEmbedding):
    def forward(self, codes, first=0, corrupted=None):
        return super().forward(codes) + codes[:, -1:, :1]


class NeedsAllScales(ScalesEmbedding):
    def forward(self, codes, first=0, corrupted=None):
        return super().forward(codes) * codes.shape[1]


class SeesTheFirstScaleOnly(ScalesEmbedding):
    def _before(self, parts):
        return super()._before([parts[0], *(part * 0 for part in parts[1:])]) if parts else []


class RepeatsAllScales(ScalesEmbedding):
    def again(self, codes):
        return self(codes)


class DrawsTheNextCodesInAdvance(ScalesSampler):
    """Reports codes of a scale that is not drawn yet."""

    def draw(self, model, prompts, *, on_codes=None, **others):
        def more(codes):
            drawn = int((codes[0] >= 0).all(-1).sum())
            codes = codes.clone()
            codes[:, drawn : drawn + 2] = 0
            on_codes(codes)

        return super().draw(model, prompts, on_codes=on_codes and more, **others)


class DrawsTogether(ScalesSampler):
    def draw(self, model, prompts, *, seeds=None, **others):
        return super().draw(model, prompts, seeds=[sum(seeds or [0]) + row for row in range(len(prompts))], **others)


def tokenizer(factory: type) -> Case:
    config = ScalesVqConfig(
        image_size=16, channels=8, groups=4, multipliers=(1, 1, 1), blocks=1, latent=8, vocabulary=9, code_width=4,
        scales=(1, 2, 4), attention=False,
    )  # fmt: skip
    component = SimpleNamespace(kind="tokenizer", name="beast", config=ScalesVqConfig, load=lambda: factory)
    return Case(component, config, {}, 3)  # type: ignore[arg-type]


def embedding(factory: type) -> Case:
    component = SimpleNamespace(kind="embedding", name="beast", config=EmbeddingConfig, load=lambda: factory)
    ports = {name: _scaled(port) for name, port in _ports(("drawn", "hidden"), 3).items()}
    return Case(component, EmbeddingConfig(), ports, 3)  # type: ignore[arg-type]


def sampler(factory: type) -> Case:
    path = f"{factory.__module__}:{factory.__qualname__}"
    component = evolve(registry().find("sampler", "scales"), name="beast", config=SamplerConfig, factory=path)
    return Case(component, SamplerConfig(), {}, 3)


DECODES, EMBEDS = scales.decodes_its_first_scales, scales.embeds_earlier_scales_only

ZOO: list[tuple[Any, Any, Any, str]] = [
    (tokenizer, DecodesAllScalesOnly, DECODES, "for the codes of the first 1 of 3 scales, expected finite pixels"),
    (tokenizer, DecodesSmallPictures, DECODES, r"`decode` gave \[3, 3, 8, 8\] for the codes of the first 1 of 3"),
    (tokenizer, CountsFromTheEnd, DECODES, "`vectors` gives other vectors for the codes of the first 1 scales"),
    (embedding, ShowsItsOwnCodes, EMBEDS, "the vectors at scale 1 depend on codes of this scale or later ones"),
    (embedding, LooksAhead, EMBEDS, "depend on codes of this scale or later ones"),
    (embedding, NeedsAllScales, EMBEDS, "gives other vectors for the codes of the first 1 scales than for those of"),
    (embedding, SeesTheFirstScaleOnly, EMBEDS, "the vectors at scale 3 do not depend on the codes of scale 2"),
    (embedding, RepeatsAllScales, EMBEDS, "`again` gave .* for the 4 places of scale 2"),
    (sampler, DrawsTheNextCodesInAdvance, samplers.draws_whole_scales, "after a step 3 places are drawn"),
    (sampler, DrawsTogether, samplers.draws_the_same_for_a_seed, "draws other codes for a prompt alone"),
]


@pytest.mark.parametrize(("make", "beast", "check", "sentence"), ZOO, ids=[row[1].__name__ for row in ZOO])
def test_each_check_catches_what_it_is_for(make: Any, beast: type, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=f"'beast'.*{sentence}"):
        run_check(check, make(beast))


def test_the_sound_ones_pass() -> None:
    run_check(DECODES, tokenizer(ScalesVqTokenizer))
    run_check(EMBEDS, embedding(ScalesEmbedding))
    run_check(samplers.draws_whole_scales, sampler(ScalesSampler))
