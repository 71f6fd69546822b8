"""The backbones of Llama and Chameleon: batches, padding, packing and the cache change nothing; what they refuse."""

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import KVCache, Mask
from janiform_plugins.backbones.chameleon import ChameleonConfig
from janiform_plugins.backbones.decoder.model import Decoder
from janiform_plugins.backbones.llama import LlamaConfig

SIZES = {"width": 32, "inner": 48, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": 40, "context": 64}
CONFIG = LlamaConfig(**SIZES)
CONFIGS = {
    "llama": CONFIG,
    "chameleon": ChameleonConfig(**SIZES),
    "chameleon-swin": ChameleonConfig(**SIZES, swin_norm=True),
}


@pytest.fixture(scope="module", params=CONFIGS)
def backbone(request):
    torch.manual_seed(0)
    decoder = Decoder(CONFIGS[request.param]).double().eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return decoder


def alone(backbone, ids):
    positions = torch.arange(len(ids))[None]
    return backbone(backbone.embed(torch.tensor([ids])), positions, Mask.causal())[0]


prompts = st.lists(st.lists(st.integers(0, 39), min_size=1, max_size=7), min_size=1, max_size=4)


@given(prompts)
@settings(max_examples=25, deadline=None)
@torch.no_grad()
def test_packing_gives_what_each_document_gives_alone(backbone, documents):
    ids = torch.tensor([[i for document in documents for i in document]])
    positions = torch.tensor([[i for document in documents for i in range(len(document))]])
    numbers = torch.tensor([[n for n, document in enumerate(documents) for _ in document]])
    packed = backbone(backbone.embed(ids), positions, Mask(numbers))[0]
    expected = torch.cat([alone(backbone, document) for document in documents])
    torch.testing.assert_close(packed, expected, rtol=1e-6, atol=1e-6)


@given(prompts, st.integers(1, 4))
@settings(max_examples=25, deadline=None)
@torch.no_grad()
def test_padded_cached_decoding_gives_what_each_prompt_gives_alone(backbone, documents, more):
    longest = max(map(len, documents))
    ids = torch.tensor([[0] * (longest - len(document)) + document for document in documents])
    numbers = torch.tensor([[-1] * (longest - len(document)) + [0] * len(document) for document in documents])
    positions = (numbers + 1).cumsum(dim=1) - 1
    shape = CONFIG.hidden()
    cache = KVCache(shape.layers, len(documents), shape.kv_heads, longest + more, shape.head_width, dtype=torch.float64)
    mask = Mask.decoding(numbers, length=longest + more)
    given_out = [backbone(backbone.embed(ids), positions.clamp(min=0), mask, cache)[:, -1:]]
    for step in range(more):
        next_ids = torch.full((len(documents), 1), 7 + step)
        given_out.append(backbone(backbone.embed(next_ids), positions[:, -1:] + 1 + step, mask, cache))
    given_out = torch.cat(given_out, dim=1)
    assert cache.filled == longest + more
    for row, document in enumerate(documents):
        expected = alone(backbone, document + [7 + step for step in range(more)])[len(document) - 1 :]
        torch.testing.assert_close(given_out[row], expected, rtol=1e-6, atol=1e-6)


def test_it_begins_with_an_even_choice_and_learns():
    torch.manual_seed(0)
    model = Decoder(CONFIG)
    ids = torch.randint(40, (4, 16))
    positions = torch.arange(15).expand(4, -1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        hidden = model(model.embed(ids[:, :-1]), positions, Mask.causal())
        losses.append(torch.nn.functional.cross_entropy(model.logits(hidden).flatten(0, 1), ids[:, 1:].flatten()))
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert abs(losses[0].item() - torch.tensor(40.0).log().item()) < 0.1
    assert losses[-1] < 0.3 * losses[0]


def test_rows_of_padding_stay_finite_and_so_do_their_gradients():
    torch.manual_seed(0)
    model = Decoder(CONFIG)
    documents = torch.tensor([[-1, -1, -1], [-1, 0, 0]])
    hidden = model(model.embed(torch.zeros(2, 3, dtype=torch.int64)), torch.zeros(2, 3).long(), Mask(documents))
    hidden.sum().backward()
    assert hidden.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_dropout_acts_in_training_only(config):
    torch.manual_seed(0)
    model = Decoder(attrs.evolve(config, dropout=0.5))
    arguments = (model.embed(torch.arange(6)[None]), torch.arange(6)[None], Mask.causal())
    assert not torch.equal(model(*arguments), model(*arguments))
    model.eval()
    assert torch.equal(model(*arguments), model(*arguments))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"heads": 5}, "width 32 does not divide into heads 5"),
        ({"heads": 32}, "of an even width"),
        ({"heads": 4, "kv_heads": 3}, "heads 4 is not a multiple of kv_heads 3"),
        ({"heads": 4, "dropout": 1.0}, "dropout"),
        ({"heads": 0}, "heads"),
        ({"heads": 4, "head_width": 7}, "head_width 7 is not even"),
        ({"heads": 4, "rope_low": 4.0}, "rope_low 4.0 is not below rope_high 4.0"),
    ],
)
def test_impossible_sizes_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        LlamaConfig(width=32, **settings)
