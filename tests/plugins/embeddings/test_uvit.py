"""The U-ViT of JanusFlow against diffusers' blocks, whose depthwise convolutions are replaced by its 7×7 ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.unets.uvit_2d import ConvNextBlock as Published
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Codes, Corrupted, Grid, Hidden, Latents, PortMismatch
from janiform_plugins.embeddings.config import PatchesConfig, UvitConfig
from janiform_plugins.embeddings.convnext import ConvNextBlock
from janiform_plugins.embeddings.uvit import UvitEmbedding
from janiform_plugins.embeddings.weights import JANUSFLOW
from janiform_plugins.heads import weights as head_weights
from janiform_plugins.heads.config import UvitHeadConfig
from janiform_plugins.heads.uvit import UvitHead
from torch import nn
from torch.nn.functional import pixel_unshuffle

HIDDEN = Hidden(width=12, vocabulary=50, context=64, layers=1, kv_heads=1, head_width=12)
LATENTS = Latents(Grid(2, 3), 8)
TIMES = torch.tensor([0.0, 0.37, 1.0])


def random_weights(module: nn.Module, seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=chance) * 0.3


@settings(max_examples=10, deadline=None)
@given(
    channels=st.integers(2, 12),
    condition=st.integers(2, 9),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_blocks_are_those_of_diffusers(channels: int, condition: int, height: int, width: int, seed: int) -> None:
    """Their depthwise convolution has 3×3 weights; JanusFlow's has 7×7."""
    ours, published = ConvNextBlock(channels, condition), Published(channels, 1e-6, True, True, 0.0, condition)
    published.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
    random_weights(ours, seed)
    names = {"channelwise_norm.weight": "channelwise_norm.gamma", "channelwise_norm.bias": "channelwise_norm.beta"}
    published.load_state_dict({names.get(name, name): tensor for name, tensor in ours.state_dict().items()})
    x, vector = torch.randn(2, channels, height, width), torch.randn(2, condition)
    torch.testing.assert_close(ours(x, vector), published(x, vector), atol=1e-4, rtol=1e-4)


def uvit(patch: int = 2, seed: int = 0) -> tuple[UvitEmbedding, UvitHead]:
    drawn = Latents(Grid(2, 3), 2 * patch**2)
    embedding = UvitEmbedding(UvitConfig(width=6, frequencies=8, patch=patch), drawn, HIDDEN)
    head = UvitHead(UvitHeadConfig(width=6), HIDDEN, drawn)
    random_weights(embedding, seed)
    random_weights(head, seed + 1)
    head.borrow(embedding)
    return embedding.eval(), head.eval()


def test_the_uvit_is_written_out() -> None:
    """The whole of it on latents [n, 2, 4, 6], by modules of torch and diffusers."""
    embedding, head = uvit()
    files = {JANUSFLOW.in_files(name)[0]: tensor for name, tensor in embedding.state_dict().items()}
    files |= {head_weights.JANUSFLOW.in_files(name)[0]: tensor for name, tensor in head.state_dict().items()}
    assert all(JANUSFLOW.covers(name) or head_weights.JANUSFLOW.covers(name) for name in files)

    def load(module: nn.Module, prefix: str) -> Any:
        own = {name.removeprefix(prefix): tensor for name, tensor in files.items() if name.startswith(prefix)}
        norm = "channelwise_norm"
        gamma_beta = {f"{norm}.weight": f"{norm}.gamma", f"{norm}.bias": f"{norm}.beta"}
        renamed = {gamma_beta.get(name, name): tensor for name, tensor in own.items()}
        module.load_state_dict(renamed)
        return module

    def block(channels: int, prefix: str) -> nn.Module:
        made = Published(channels, 1e-6, True, True, 0.0, 12)
        made.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        return load(made, prefix)

    image, states = torch.randn(3, 2, 4, 6), torch.randn(3, 7, 12)
    encoder, decoder = "vision_gen_enc_model.", "vision_gen_dec_model."
    time = load(TimestepEmbedding(8, 12), f"{encoder}time_embed.")(Timesteps(8, True, 0)(TIMES * 1000))
    x = load(nn.Conv2d(2, 6, 2, 2), f"{encoder}in_conv.")(image)
    for index in range(2):
        x = block(6, f"{encoder}mid_block.res_blocks.{index}.")(x, time)
    tokens = load(nn.Linear(6, 12), "vision_gen_enc_aligner.")(x.flatten(2).transpose(1, 2))
    latents = pixel_unshuffle(image, 2).flatten(2).transpose(1, 2)
    exact = torch.cat((time[:, None], tokens), dim=1)
    torch.testing.assert_close(embedding(latents, 0, Corrupted(times=TIMES)), exact, atol=1e-4, rtol=1e-4)

    y = load(nn.RMSNorm(12, 1e-6), "vision_gen_dec_aligner_norm.")(states[:, 1:])
    y = load(nn.Linear(12, 6), "vision_gen_dec_aligner.")(y)
    y = load(nn.RMSNorm(6, 1e-6), f"{decoder}input_norm.")(y).transpose(1, 2).reshape(3, 6, 2, 3)
    y = torch.cat((y, x), dim=1)
    for index in range(2):
        y = block(12, f"{decoder}mid_block.res_blocks.{index}.")(y, time)
    y = load(nn.RMSNorm(12, 1e-6), f"{decoder}out_convs.0.norm.")(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    y = nn.functional.pixel_shuffle(load(nn.Conv2d(12, 8, 1), f"{decoder}out_convs.0.unpatch_conv.")(y), 2)
    predicted = head(states, latents, Corrupted(times=TIMES))
    torch.testing.assert_close(predicted, pixel_unshuffle(y, 2).flatten(2).transpose(1, 2), atol=1e-4, rtol=1e-4)


def test_the_uvit_has_the_sizes_of_janusflow() -> None:
    hidden, drawn = Hidden(2048, 102400, 4096, 24, 16, 128), Latents(Grid(24, 24), 16)
    with torch.device("meta"):
        embedding, head = UvitEmbedding(UvitConfig(), drawn, hidden), UvitHead(UvitHeadConfig(), hidden, drawn)
    aligners = (
        sum(p.numel() for p in embedding.aligner.parameters()),
        sum(p.numel() for part in (head.aligner, head.norm) for p in part.parameters()),
    )
    sizes = [sum(p.numel() for p in part.parameters()) for part in (embedding, head)]
    assert [round((size - aligner) / 1e6, 1) for size, aligner in zip(sizes, aligners, strict=True)] == [21.6, 50.6]


def test_a_head_without_its_embedding_is_refused_in_a_sentence() -> None:
    for other in (PatchesConfig(), UvitConfig(width=4, frequencies=8)):
        with pytest.raises(PortMismatch, match="head 'uvit' has a width of 6 and reads the features of an embedding"):
            UvitHeadConfig(width=6).accept("embedding", other)


def test_codes_and_other_sizes_are_refused_in_a_sentence() -> None:
    codes = Codes(16, Grid(2, 3), 4)
    with pytest.raises(PortMismatch, match="embedding 'uvit' needs latents"):
        UvitConfig().embed(codes, HIDDEN)
    with pytest.raises(PortMismatch, match="head 'uvit' predicts latents"):
        UvitHeadConfig().predict(HIDDEN, codes)
    with pytest.raises(PortMismatch, match="the 8 values of a place are not a multiple of 9"):
        UvitConfig(patch=3).embed(LATENTS, HIDDEN)
