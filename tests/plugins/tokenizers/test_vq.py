"""The VQ tokenizer's training: its losses against formulas written out, dead codes, chunks; and what it refuses."""

import pytest
import torch
from janiform_plugins.tokenizers import codebook
from janiform_plugins.tokenizers.config import VqConfig
from janiform_plugins.tokenizers.vq import SphereCodebook, VqTokenizer
from torch.nn.functional import normalize

TINY = {"image_size": 16, "channels": 8, "groups": 2, "multipliers": (1, 2), "blocks": 1, "latent": 6, "code_width": 4}


def tokenizer(**settings):
    torch.manual_seed(0)
    return VqTokenizer(VqConfig(**TINY | {"vocabulary": 24} | settings))


def pictures(count=3):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_losses_are_their_formulas():
    model = tokenizer(l1=0.5, l2=2.0, codebook=3.0, commitment=0.25, entropy=0.1)
    pixels = pictures()
    losses, figures = model.losses(pixels)
    latents = model.quant_conv(model.encoder(pixels)).permute(0, 2, 3, 1).flatten(0, 2)
    unit, book = normalize(latents, dim=-1), normalize(model.quantize.embedding.weight, dim=-1)
    distances = (unit[:, None] - book).square().sum(dim=-1)
    codes = distances.argmin(dim=-1)
    error = model.decode(codes.view(3, -1, 1)) - pixels
    soft = (-distances / 0.01).softmax(dim=-1)
    mean = soft.mean(dim=0)
    expected = {
        "l1": 0.5 * error.abs().mean(),
        "l2": 2.0 * error.square().mean(),
        "codebook": 3.0 * (book[codes] - unit).square().mean(),
        "commitment": 0.25 * (book[codes] - unit).square().mean(),
        "entropy": 0.1 * (-(soft * (soft + 1e-12).log()).sum(dim=-1).mean() + (mean * (mean + 1e-5).log()).sum()),
    }
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert loss.count == 3
        torch.testing.assert_close(loss.mean, expected[name], rtol=1e-4, atol=1e-6)
    used = codes.bincount(minlength=24) / len(codes)
    torch.testing.assert_close(figures["usage"], (used > 0).float().mean())
    torch.testing.assert_close(figures["perplexity"], (-(used[used > 0] * used[used > 0].log()).sum()).exp())


def test_gradients_go_straight_through_and_each_loss_moves_its_own_side():
    model = tokenizer(codebook=1.0, commitment=0.25)
    losses, _ = model.losses(pictures())
    reached = {}
    for name, loss in losses.items():
        model.zero_grad()
        loss.mean.backward(retain_graph=True)
        reached[name] = {
            part
            for part in ("encoder", "decoder", "quantize")
            for parameter in getattr(model, part).parameters()
            if parameter.grad is not None and parameter.grad.abs().sum() > 0
        }
    assert reached == {"codebook": {"quantize"}, "commitment": {"encoder"}, "l2": {"encoder", "decoder"}}


def test_idle_codes_move_to_vectors_of_the_batch():
    model = tokenizer(reseed=2).train()
    assert model.quantize.idle.tolist() == [2] * 24
    model.losses(pictures())  # nothing was ever used: the first batch seeds every code
    latents = model.quant_conv(model.encoder(pictures())).permute(0, 2, 3, 1).flatten(0, 2)
    nearest = torch.cdist(model.quantize.embedding.weight, normalize(latents, dim=-1)).amin(dim=-1)
    assert (nearest < 1e-3).all()

    weight, idle = model.quantize.embedding.weight, model.quantize.idle
    with torch.no_grad():
        weight[23] = weight[0]  # of two equal codes the first is used
        idle[23] = 1
    model.losses(pictures())
    assert idle[23] == 2
    assert torch.equal(weight[23], weight[0])
    model.losses(pictures())
    assert idle[23] < 2
    assert not torch.equal(weight[23], weight[0])

    state = model.state_dict()
    assert "quantize.idle" in state
    tokenizer(reseed=2).load_state_dict(state)


def test_idle_codes_go_where_codes_are_far():
    quantize = SphereCodebook(64, 4, reseed=1)
    near, far = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0, 0, 0, 1.0])
    with torch.no_grad():
        quantize.embedding.weight.copy_(near)
    quantize.revive(torch.cat([near.expand(990, 4), far.expand(10, 4)]))
    # One vector in a hundred is far from every code; chance would choose none or one of them.
    assert (quantize.look_up(torch.arange(64)) @ far > 0.99).sum() > 60


def test_a_local_encoder_sees_its_own_square_only():
    model = tokenizer(local=True).eval()
    pixels = pictures()
    codes = model.encode(pixels)
    assert codes.shape == (3, 64, 1)
    for square in (0, 9, 63):
        row, column = divmod(square, 8)
        alone = torch.zeros_like(pixels)
        alone[..., 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = pixels[
            ..., 2 * row : 2 * row + 2, 2 * column : 2 * column + 2
        ]
        assert torch.equal(model.encode(alone)[:, square], codes[:, square])
    losses, _ = model.losses(pixels)
    assert losses.keys() == tokenizer().losses(pixels)[0].keys()


def test_codes_are_looked_up_in_full_precision_whatever_trains():
    model = tokenizer(vocabulary=4096).eval()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.encode(pictures())
    assert torch.equal(mixed, model.encode(pictures()))


def test_codes_stay_where_they_are_without_reseeding_and_in_evaluation():
    for model in (tokenizer().train(), tokenizer(reseed=1).eval()):
        before = model.quantize.embedding.weight.detach().clone()
        model.losses(pictures())
        assert torch.equal(model.quantize.embedding.weight, before)
    assert "quantize.idle" not in tokenizer().state_dict()


def test_chunks_change_nothing(monkeypatch):
    quantize = SphereCodebook(24, 4)
    vectors = normalize(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), dim=-1).requires_grad_()

    def everything():
        entropy = quantize.entropy(vectors)
        return quantize(vectors), entropy, *torch.autograd.grad(entropy, [vectors, quantize.embedding.weight])

    whole = everything()
    monkeypatch.setattr(codebook, "CHUNK", 7 * 24)
    for one, other in zip(whole, everything(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_it_learns_with_mixed_precision():
    model = tokenizer(image_size=8, attention=False, l1=1.0, reseed=20).train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    colours = torch.eye(3)[:, :, None, None].expand(3, 3, 8, 8) * 1.6 - 0.8
    first = None
    for _ in range(60):
        with torch.autocast("cpu", torch.bfloat16):
            losses, figures = model.losses(colours)
        first = figures["l2"] if first is None else first
        sum(loss.mean for loss in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert figures["l2"] < 0.1 * first


@pytest.mark.parametrize("attention", [True, False])
def test_shapes(attention):
    model = tokenizer(attention=attention).eval()
    codes = model.encode(pictures())
    assert codes.shape == (3, 64, 1)
    assert codes.dtype == torch.int64
    assert model.decode(codes).shape == (3, 3, 16, 16)
    assert model.vectors(codes).shape == (3, 64, 4)
    assert model.config.codes().tokens == 64


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image_size": 17}, "image_size 17 is not a multiple of 2"),
        ({"channels": 9}, "channels 9 is not a multiple of groups 2"),
        ({"multipliers": ()}, "multipliers"),
        ({"multipliers": (1, 0)}, "multipliers"),
        ({"vocabulary": 1}, "vocabulary"),
    ],
)
def test_impossible_sizes_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        VqConfig(**TINY | settings)
