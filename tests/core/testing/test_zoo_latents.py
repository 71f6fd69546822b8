"""A zoo of broken tokenizers of latents: each check catches what it is for, and says so in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import frozen
from janiform import Grid, Latents, Loss
from janiform.components.kinds import KINDS
from janiform.testing import common, kinds, latent_tokenizers, tokenizers
from janiform.testing.case import Case
from janiform.testing.suite import run_check
from torch import nn

from .test_zoo import ColouredConfig, to_pixels


@frozen(kw_only=True)
class Config:
    def latents(self) -> Latents:
        return Latents(Grid(2, 2), 3)

    def transform(self) -> Any:
        return to_pixels


@frozen(kw_only=True)
class Coloured(Config):
    transform = ColouredConfig.transform


class Tokenizer(nn.Module):
    """A sound one, with a posterior of the same width everywhere; the animals of the zoo change one thing each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 3, 4, stride=4)
        self.up = nn.ConvTranspose2d(3, 3, 4, stride=4)
        self.width = nn.Parameter(torch.rand(3) + 0.5)

    def encode(self, pixels, noise=None):
        mean = self.down(pixels).flatten(2).transpose(1, 2)
        return mean if noise is None else mean + self.width * noise

    def decode(self, latents):
        return self.up(latents.transpose(1, 2).unflatten(2, (2, 2)))

    def losses(self, pixels):
        error = (self.decode(self.encode(pixels, torch.zeros(len(pixels), 4, 3))) - pixels).square()
        count = torch.tensor(float(len(pixels)))
        return {"l2": Loss(error.mean(dim=(1, 2, 3)).sum(), count), "kl": Loss(self.width.sum() * count, count)}, {}


class IsCertain(Tokenizer):
    posterior = False

    def encode(self, pixels, noise=None):
        return super().encode(pixels)


class IgnoresItsNoise(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels)


class IsNotCertain(Tokenizer):
    posterior = False


class DrawsItsOwnNoise(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels, None if noise is None else torch.randn_like(noise))


class SamplesWithoutNoise(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels, torch.randn(len(pixels), 4, 3) if noise is None else noise)


class ShiftsItsModeAlone(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels) - 0.5 if noise is None else super().encode(pixels, noise)


class SharesItsNoise(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels, None if noise is None else noise.mean(0, keepdim=True))


class EncodesPlanes(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels, noise).transpose(1, 2)


class EncodesIntegers(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels, noise).long()


class CentresTheBatch(Tokenizer):
    def encode(self, pixels, noise=None):
        return super().encode(pixels - pixels.mean(0, keepdim=True), noise)


class DividesForBlue(Tokenizer):
    def encode(self, pixels, noise=None):
        blue = (pixels[:, 2] > 0.99) & (pixels[:, 1] < -0.99) & (pixels[:, 0] < -0.99)
        return super().encode(pixels, noise) / (~blue.flatten(1).all(1)).float()[:, None, None]


class SamplesInAnotherType(Tokenizer):
    def encode(self, pixels, noise=None):
        latents = super().encode(pixels, noise)
        return latents if noise is None else latents.double()


class DecodesSmaller(Tokenizer):
    def decode(self, latents):
        return super().decode(latents)[..., ::2, ::2]


class DecodesTwoChannels(Tokenizer):
    def decode(self, latents):
        return super().decode(latents * torch.tensor([1.0, 1.0, 0.0]).to(latents))


class DecodesThePlaceTwice(Tokenizer):
    """Reads the first place in place of the last."""

    def decode(self, latents):
        return super().decode(torch.cat((latents[:, :3], latents[:, :1]), dim=1))


class DetachesItsLatents(Tokenizer):
    def decode(self, latents):
        return super().decode(latents.detach())


class LosesAMean(Tokenizer):
    def losses(self, pixels):
        losses, figures = super().losses(pixels)
        return {name: Loss(loss.mean, loss.count) for name, loss in losses.items()}, figures


class DecodesTheBatch(Tokenizer):
    def decode(self, latents):
        return super().decode(latents - latents.mean(0, keepdim=True))


class DecodesInFloat32(Tokenizer):
    def decode(self, latents):
        return super().decode(latents).float()


class TrainsOtherLatents(Tokenizer):
    def losses_and_vectors(self, pixels):
        return *self.losses(pixels), 2 * self.encode(pixels)


class DetachesWhatItTrains(Tokenizer):
    def losses_and_vectors(self, pixels):
        return *self.losses(pixels), self.encode(pixels).detach()


def case(module: Any, config: Any = Config) -> Case:
    component = SimpleNamespace(kind="tokenizer", name="beast", config=config, load=lambda: module)
    return Case(component, config(), {}, 3)  # type: ignore[arg-type]


ENCODES = latent_tokenizers.encodes_latents_of_its_port
SAMPLES = latent_tokenizers.encodes_samples_with_noise
DECODES = latent_tokenizers.decodes_what_it_encodes
ZOO = [
    (EncodesPlanes, ENCODES, r"encode gives floating-point numbers \[3, 4, 3\]; it gave torch.float32 \[3, 3, 4\]"),
    (EncodesIntegers, ENCODES, r"gives floating-point numbers \[3, 4, 3\]; it gave torch.int64 \[3, 4, 3\]"),
    (EncodesIntegers, common.gives_the_shape_it_declares, "in float32 `encode` gives torch.int64"),
    (CentresTheBatch, ENCODES, "the latents of a picture depend on the rest of the batch"),
    (IgnoresItsNoise, SAMPLES, "`encode` ignores its noise; give samples of the posterior, or set posterior = False"),
    (IsNotCertain, SAMPLES, "its class has posterior = False, but noise changes what `encode` gives"),
    (ShiftsItsModeAlone, SAMPLES, "with noise of zeros `encode` gives other latents than without noise"),
    (SharesItsNoise, SAMPLES, "the latents of a picture with noise depend on the rest of the batch"),
    (SamplesInAnotherType, SAMPLES, r"with noise `encode` gives torch.float64 .*, without it torch.float32"),
    (DrawsItsOwnNoise, common.is_deterministic, "draws random numbers in eval mode"),
    (SamplesWithoutNoise, common.is_deterministic, "draws random numbers in eval mode"),
    (DecodesSmaller, common.gives_the_shape_it_declares, r"hence \[3, 3, 8, 8\], but the module gave \[3, 3, 4, 4\]"),
    (DecodesSmaller, DECODES, r"for pixels \[3, 3, 8, 8\] is torch.float32 \[3, 3, 4, 4\]"),
    (DecodesTwoChannels, DECODES, "`decode` does not read 4 of the 12 values .*, such as value 2 of place 0"),
    (DecodesThePlaceTwice, DECODES, "`decode` does not read 3 of the 12 values .*, such as value 0 of place 3"),
    (DetachesItsLatents, DECODES, "`decode` has no gradient for its latents"),
    (LosesAMean, tokenizers.gives_losses_as_sums_and_counts, "the total of the loss 'l2' is not twice as large"),
    (TrainsOtherLatents, tokenizers.gives_the_vectors_that_it_trains, "which are not its latents"),
    (DetachesWhatItTrains, tokenizers.gives_the_vectors_that_it_trains, "reaches what encodes pictures"),
    (DecodesTheBatch, common.treats_rows_independently, "the output of a row changes by .* with the rest of the batch"),
    (DecodesInFloat32, common.computes_in_bfloat16, "cast to bfloat16 it gives torch.float32"),
]


@pytest.mark.parametrize(("beast", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None))
def test_each_check_catches_what_it_is_for(beast: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^tokenizer 'beast'.*{sentence}"):
        run_check(check, case(beast))


def test_latents_are_checked_for_pictures_of_every_colour() -> None:
    with pytest.raises(AssertionError, match="`encode` gives values that are not finite for a blue picture"):
        ENCODES(case(DividesForBlue, Coloured))
    ENCODES(case(Tokenizer, Coloured))


def test_every_check_of_latents_has_its_beast() -> None:
    own = {*kinds.checks_of("tokenizer", Config)}
    assert own == {check for _, check, _ in ZOO} - {*common.COMMON_CHECKS}
    assert {check.__name__ for check in own}.isdisjoint(KINDS["tokenizer"].port_checks["codes"])


@pytest.mark.parametrize("module", [Tokenizer, IsCertain])
def test_sound_tokenizers_of_latents_pass_every_check(module: Any) -> None:
    checks = (*common.COMMON_CHECKS, *kinds.checks_of("tokenizer", Config))
    # The width of a posterior that is not there has no gradient.
    for check in checks if module is Tokenizer else [c for c in checks if c in kinds.checks_of("tokenizer", Config)]:
        check(case(module))
