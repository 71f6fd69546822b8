"""The tokenizer `tokenflow` against a twin of its formulas in float64; sizes and names of the released ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from janiform import registry
from janiform.model.meta import tensors_on
from janiform_plugins.tokenizers.config import VqConfig
from janiform_plugins.tokenizers.tokenflow.weights import tokenflow as names
from janiform_plugins.tokenizers.tokenflow.weights import tokenflow_teacher
from janiform_plugins.tokenizers.vq import VqTokenizer
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, normalize

SIDES = (1, 2, 3, 8)

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SMALL = {
    "image_size": 16, "channels": 8, "groups": 4, "multipliers": (1, 1), "blocks": 1, "latent": 8, "vocabulary": 40,
    "semantic_width": 6, "pixel_width": 4, "scales": SIDES, "teacher_size": 24, "teacher_patch": 4, "teacher_width": 16,
    "teacher_layers": 2, "teacher_heads": 2, "projection": 12, "semantic_layers": 1,
}  # fmt: skip


def built(**settings: Any) -> Any:
    torch.manual_seed(3)
    component = registry().find("tokenizer", "tokenflow")
    module = component.load()(component.config(**SMALL | settings))
    for table in (module.quantize.semantic, module.quantize.pixel):
        torch.nn.init.normal_(table.weight)
    return module.eval()


def raw(module: Any, pixels: Tensor) -> Tensor:
    """Both branches on the grid, [B, 10, 8, 8], before they are quantised."""
    seen = interpolate(pixels, (24, 24), mode="bicubic")
    mean, std = torch.tensor(CLIP_MEAN)[:, None, None], torch.tensor(CLIP_STD)[:, None, None]
    features = module.teacher.encoder(((seen + 1) / 2 - mean) / std)
    task = module.semantic_in
    meaning = torch.tanh(features @ task[0].weight.T + task[0].bias) @ task[2].weight.T + task[2].bias
    meaning = interpolate(meaning.transpose(1, 2).unflatten(2, (6, 6)), (8, 8), mode="bicubic")
    return torch.cat((meaning, module.quant_conv(module.encoder(pixels))), dim=1).detach()


def books(module: Any) -> tuple[Tensor, Tensor]:
    return normalize(module.quantize.semantic.weight.detach()), normalize(module.quantize.pixel.weight.detach())


def quantised(module: Any, vectors: Tensor, weight: float) -> tuple[list[Tensor], list[Tensor], list[float]]:
    """Codes by scale, sums so far on the grid, and mean((q − z)²) by scale, by the published formulas."""
    semantic, pixel = books(module)
    f, residual = torch.zeros_like(vectors), vectors
    codes, sums, errors = [], [], []
    for side in SIDES:
        z = interpolate(residual, (side, side), mode="area").permute(0, 2, 3, 1)
        z_s, z_p = normalize(z[..., :6], dim=-1), normalize(z[..., 6:], dim=-1)
        d = (z_s[..., None, :] - semantic).square().sum(-1) + weight * (z_p[..., None, :] - pixel).square().sum(-1)
        index = d.argmin(-1)
        q = torch.cat((semantic[index], pixel[index]), dim=-1)
        errors.append(float((q - torch.cat((z_s, z_p), dim=-1)).square().mean()))
        up = interpolate(q.permute(0, 3, 1, 2), (8, 8), mode="bicubic")
        f, residual = f + up, residual - up
        codes.append(index.flatten(1))
        sums.append(f)
    return codes, sums, errors


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_one_index_is_nearest_in_both_codebooks_scale_by_scale(weight: float) -> None:
    module, pixels = built(pixel_weight=weight).double(), torch.rand(3, 3, 16, 16).double() * 2 - 1
    expected, sums, _ = quantised(module, raw(module, pixels), weight)
    codes = module.encode(pixels)
    assert torch.equal(codes[..., 0], torch.cat(expected, dim=1))
    assert codes.unique().numel() > 5
    semantic, pixel = books(module)
    torch.testing.assert_close(
        module.vectors(codes), torch.cat((semantic[codes[..., 0]], pixel[codes[..., 0]]), dim=-1)
    )
    stop = 0
    for side, f in zip(SIDES, sums, strict=True):
        stop += side * side
        decoded = module.decoder(module.post_quant_conv(f[:, 6:]))
        torch.testing.assert_close(module.decode(codes[:, :stop]), decoded)
    places = sums[-1][:, :6].flatten(2).transpose(1, 2)
    features = module.semantic_decoder(places)
    task = module.semantic_out
    features = torch.tanh(features @ task[0].weight.T + task[0].bias) @ task[2].weight.T + task[2].bias
    torch.testing.assert_close(module.semantics(codes), features)
    assert module.semantics(codes).shape == (3, 64, 12)


def test_losses_are_those_of_the_normalised_residuals_and_of_the_teacher() -> None:
    module, pixels = built(commitment=0.5, l1=1.0), torch.rand(2, 3, 16, 16) * 2 - 1
    _, _, errors = quantised(module, raw(module, pixels), 1.0)
    losses, _ = module.losses(pixels)
    mean = sum(errors) / len(errors)
    assert float(losses["codebook"].mean.detach()) == pytest.approx(mean, rel=1e-4)
    assert float(losses["commitment"].mean.detach()) == pytest.approx(0.5 * mean, rel=1e-4)
    target = module.teacher.projection(module.teacher(pixels)).transpose(1, 2).unflatten(2, (6, 6))
    target = interpolate(target, (8, 8), mode="bicubic").flatten(2).transpose(1, 2)
    decoded = module.semantics(module.encode(pixels))
    cosine = (normalize(decoded, dim=-1) * normalize(target, dim=-1)).sum(-1)
    assert float(losses["semantic"].mean.detach()) == pytest.approx(1 - float(cosine.mean().detach()), rel=1e-4)
    sum(loss.total for loss in losses.values()).backward()
    assert all(weight.grad is not None for weight in module.parameters())
    assert not any("projection" in name for name, _ in module.named_parameters())


def test_pictures_of_another_size_are_resized_for_the_vqgan_and_back() -> None:
    module, pixels = built(picture_size=20).double(), torch.rand(2, 3, 20, 20).double() * 2 - 1
    small = interpolate(pixels, (16, 16), mode="bicubic")
    features = module.teacher(pixels)
    torch.testing.assert_close(module._both(features, pixels), module._both(features, small))
    decoded = module.decode(module.encode(pixels))
    assert decoded.shape == pixels.shape


@pytest.mark.parametrize(
    ("preset", "tokens", "grid", "size", "patches"),
    [("clipb-224", 561, 14, 224, 14), ("clipb-256", 817, 16, 256, 14), ("siglip-384", 1 + 4 + 9 + 16 + 25 + 36 + 49
     + 64 + 81 + 100 + 144 + 196 + 289 + 484 + 729, 27, 384, 27)],
)  # fmt: skip
def test_released_sizes(preset: str, tokens: int, grid: int, size: int, patches: int) -> None:
    component = registry().find("tokenizer", "tokenflow")
    config = component.config(**component.presets[preset])
    port = config.codes()
    assert (port.tokens, port.vocabulary, port.width, port.grid.width) == (tokens, 32_768, 40, grid)
    assert config.teacher_config.grid.width == patches
    assert config.transform()(Image.new("RGB", (50, 40))).shape == (3, size, size)
    with tensors_on("meta"):
        module = component.load()(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert shapes["quantize.semantic.weight"] == (32_768, 32)
    assert shapes["quantize.pixel.weight"] == (32_768, 8)
    # The VQGAN is LlamaGen's, but for the size of its codes.
    with tensors_on("meta"):
        vqgan = VqTokenizer(VqConfig(vocabulary=32_768))
    for name, tensor in vqgan.state_dict().items():
        if name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")):
            assert shapes[name] == tuple(tensor.shape), name
    released = names(config)
    assert released.is_own("teacher.encoder.pos_embed")
    assert released.is_own("semantic_decoder.norm.weight")
    assert released.in_files("quantize.semantic.weight") == ("quantize.embedding_vqkd.weight",)
    assert released.in_files("semantic_out.2.bias") == ("decode_task_layer.2.bias",)
    assert released.in_files("decoder.conv_blocks.3.res.1.conv1.weight") == (
        "decoder.conv_blocks.3.res.1.conv1.weight",
    )


def test_an_enhanced_decoder_is_wider_and_deeper() -> None:
    module = built(decoder_channels=16, decoder_blocks=4)
    assert [len(level.res) for level in module.decoder.conv_blocks] == [4, 4]
    assert module.decoder.norm_out.weight.shape == (16,)
    assert [len(level.res) for level in module.encoder.conv_blocks] == [1, 1]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scales": (1, 2, 4)}, "scales ends with 4"),
        ({"local": True}, "set local to false"),
        ({"teacher_heads": 3}, "width 16 is not a multiple of heads 3"),
        ({"decoder_channels": 6}, "decoder_channels 6 is not a multiple of groups 4"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        registry().find("tokenizer", "tokenflow").config(**SMALL | settings)


TRANSFORMERS: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 24,
    "patch_size": 4,
}  # fmt: skip


@pytest.mark.parametrize(("teacher", "projection"), [("clip", 12), ("clip", 0), ("siglip", 0)])
def test_a_teacher_is_read_from_its_own_files_and_agrees_with_transformers(teacher: str, projection: int) -> None:
    torch.manual_seed(7)
    if teacher == "clip":
        text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        config = transformers.CLIPConfig(text_config=text, vision_config=TRANSFORMERS, projection_dim=12)
        whole = transformers.CLIPModel(config).eval()
    else:
        text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        vision = TRANSFORMERS | {"hidden_act": "gelu_pytorch_tanh", "vision_use_head": True}
        whole = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).eval()
    for weight in whole.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    module = built(teacher=teacher, projection=projection)
    keys, files = tokenflow_teacher(module.config), whole.state_dict()
    read: set[str] = set()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            pieces = None if keys.is_own(name) else keys.pieces(name, tensor.shape)
            assert (pieces is not None) == name.startswith("teacher."), name
            for piece in pieces or ():
                read.add(piece.name)
                part = tensor if piece.rows is None else tensor[piece.rows]
                part.copy_(files[piece.name].view(piece.shape).view(part.shape))
    left = {name for name in files if keys.covers(name)} - read
    assert all(keys.why_unused(name) for name in left), left
    pixels = torch.rand(2, 3, 24, 24) * 2 - 1
    given = ((pixels + 1) / 2 - module.teacher.mean) / module.teacher.std
    with torch.no_grad():
        states = whole.vision_model(given, output_hidden_states=True).hidden_states
        features = module.teacher(pixels)
        if teacher == "clip":
            torch.testing.assert_close(features, states[-1][:, 1:], rtol=1e-4, atol=1e-4)
            expected = states[-1][:, 1:]
            if projection:
                expected = whole.visual_projection(whole.vision_model.post_layernorm(expected))
            torch.testing.assert_close(module.teacher.target(features), expected, rtol=1e-4, atol=1e-4)
        else:
            torch.testing.assert_close(features, states[-2], rtol=1e-4, atol=1e-4)
