"""The adapter, the head, the embedding and the encoder's ports: what they derive, compute and refuse."""

import pytest
import torch
from janiform import Codes, Features, Grid, Hidden, PortMismatch
from janiform_plugins.adapters.config import MlpAdapterConfig
from janiform_plugins.adapters.projections import MlpAdapter
from janiform_plugins.embeddings.config import TableConfig
from janiform_plugins.embeddings.table import TableEmbedding
from janiform_plugins.encoders.config import SiglipConfig
from janiform_plugins.encoders.siglip import SiglipEncoder
from janiform_plugins.heads.config import MlpHeadConfig
from janiform_plugins.heads.single import MlpHead

GRID = Grid(2, 3)
HIDDEN = Hidden(width=12, vocabulary=50, context=64, layers=1, kv_heads=1, head_width=12)
CODES = Codes(vocabulary=20, grid=GRID, width=5)
DEEP = Codes(vocabulary=20, grid=GRID, width=5, depth=3)


def test_an_adapter_keeps_the_tokens_and_their_grid():
    source = Features(6, 5, GRID)
    assert MlpAdapterConfig().adapt(source, HIDDEN) == Features(6, 12, GRID)
    for depth in (1, 2, 4):
        module = MlpAdapter(MlpAdapterConfig(depth=depth), source, HIDDEN)
        assert sum(isinstance(layer, torch.nn.Linear) for layer in module.layers) == depth
        assert isinstance(module.layers[-1], torch.nn.Linear)
        assert module(torch.randn(2, 6, 5)).shape == (2, 6, 12)


def test_an_adapter_refuses_codes():
    with pytest.raises(PortMismatch, match="add an embedding"):
        MlpAdapterConfig().adapt(CODES, HIDDEN)


def test_a_table_sums_its_levels():
    assert TableConfig().embed(CODES, HIDDEN) == Features(6, 5, GRID)
    assert TableConfig(width=9).embed(CODES, HIDDEN).width == 9
    flat, deep = (TableEmbedding(TableConfig(), some, HIDDEN) for some in (CODES, DEEP))
    codes = torch.randint(20, (2, 6, 3))
    assert torch.equal(flat(codes[..., :1]), flat.table.weight[codes[..., 0]])
    levels = deep.table.weight.view(3, 20, 5)
    expected = levels[0][codes[..., 0]] + levels[1][codes[..., 1]] + levels[2][codes[..., 2]]
    torch.testing.assert_close(deep(codes), expected)


def test_a_head_measures_and_samples_codes():
    head = MlpHead(MlpHeadConfig(inner=7), HIDDEN, CODES)
    hidden, codes = torch.randn(9, 12), torch.randint(20, (9, 1))
    loss = head.loss(hidden, codes)
    expected = -head(hidden).log_softmax(dim=-1).gather(1, codes).sum()
    torch.testing.assert_close(loss.total, expected)
    assert loss.count == 9
    assert not loss.count.requires_grad
    sampled = head.sample(hidden, lambda logits, level: logits.argmax(dim=-1))
    assert torch.equal(sampled, head(hidden).argmax(-1)[:, None])
    assert head.bfloat16().loss(hidden.bfloat16(), codes).total.dtype == torch.float32
    assert head.loss(hidden[:0].bfloat16(), codes[:0]).mean == 0


def test_a_head_refuses_what_it_cannot_predict():
    assert MlpHeadConfig().predict(HIDDEN, CODES).vocabulary == 20
    with pytest.raises(PortMismatch, match="predicts one code per position, but the tokenizer gives 3"):
        MlpHeadConfig().predict(HIDDEN, DEEP)


def test_an_encoder_declares_what_it_gives():
    config = SiglipConfig(image_size=32, patch_size=8, width=24, layers=1, heads=3)
    assert config.features() == Features(16, 24, Grid(4, 4))
    features = SiglipEncoder(config)(torch.randn(2, 3, 32, 32))
    assert features.shape == (2, 16, 24)
    torch.testing.assert_close(SiglipEncoder(config).pool(features), features.mean(dim=1))
    with pytest.raises(ValueError, match="image_size 30 is not a multiple of patch_size 8"):
        SiglipConfig(image_size=30, patch_size=8)
    with pytest.raises(ValueError, match="width 20 is not a multiple of heads 3"):
        SiglipConfig(width=20, heads=3)


def test_the_pooling_head_is_a_query_over_all_patches():
    torch.manual_seed(0)
    config = SiglipConfig(image_size=16, patch_size=8, width=8, layers=0, heads=2, attention_pool=True)
    head = SiglipEncoder(config).attn_pool
    features = torch.randn(3, 4, 8)
    twin = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat((head.q.weight, head.kv.weight)))
        twin.in_proj_bias.copy_(torch.cat((head.q.bias, head.kv.bias)))
        twin.out_proj.load_state_dict(head.proj.state_dict())
    pooled = twin(head.latent.expand(3, -1, -1), features, features)[0]
    torch.testing.assert_close(head(features), (pooled + head.mlp(head.norm(pooled)))[:, 0])


@pytest.mark.parametrize("config", [MlpAdapterConfig, TableConfig, MlpHeadConfig, SiglipConfig])
def test_every_setting_is_explained(config):
    assert all(attribute.metadata["help"] for attribute in config.__attrs_attrs__)
