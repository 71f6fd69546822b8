"""The built-in parts against the modules of transformers' Janus and Llama, at several sizes, with random weights."""

import pytest
import torch
from janiform import Codes, Features, Grid, Hidden, KVCache, Mask
from janiform_plugins.adapters.mlp import weights as adapter_names
from janiform_plugins.adapters.mlp.config import MlpAdapterConfig
from janiform_plugins.adapters.mlp.model import MlpAdapter
from janiform_plugins.backbones.llama import weights as llama_names
from janiform_plugins.backbones.llama.config import LlamaConfig
from janiform_plugins.backbones.llama.model import LlamaBackbone
from janiform_plugins.embeddings.table import weights as table_names
from janiform_plugins.embeddings.table.config import TableConfig
from janiform_plugins.embeddings.table.model import TableEmbedding
from janiform_plugins.encoders.siglip import weights as siglip_names
from janiform_plugins.encoders.siglip.config import SiglipConfig
from janiform_plugins.encoders.siglip.model import SiglipEncoder
from janiform_plugins.heads.mlp import weights as head_names
from janiform_plugins.heads.mlp.config import MlpHeadConfig
from janiform_plugins.heads.mlp.model import MlpHead
from janiform_plugins.tokenizers.vq import weights as vq_names
from janiform_plugins.tokenizers.vq.config import VqConfig
from janiform_plugins.tokenizers.vq.model import VqTokenizer
from transformers import LlamaConfig as TheirLlamaConfig
from transformers import LlamaForCausalLM
from transformers.models.janus.configuration_janus import JanusConfig, JanusVisionConfig, JanusVQVAEConfig
from transformers.models.janus.modeling_janus import (
    JanusForConditionalGeneration,
    JanusVisionAlignerMLP,
    JanusVisionModel,
    JanusVQVAE,
    JanusVQVAEAlignerMLP,
    JanusVQVAEHead,
)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def randomised(module, seed):
    """Also what starts as zeros and ones, so that a swapped bias or norm shows."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        weight = parameter.dim() > 1
        scale = parameter[0].numel() ** -0.5 if weight else 0.3
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))
    return module.eval()


def with_weights(module, names, theirs):
    module.load_state_dict(names.load(theirs.state_dict(), module.state_dict()))
    return module.eval()


def assert_exact(given, expected):
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * max(expected.abs().max().item(), 1e-3))


@pytest.mark.parametrize(
    ("image_size", "patch_size", "width", "layers", "heads", "inner"),
    [(32, 16, 16, 1, 2, 64), (48, 8, 24, 2, 3, 96), (28, 14, 40, 3, 5, 120), (16, 16, 8, 1, 1, 8)],
)
def test_siglip(image_size, patch_size, width, layers, heads, inner):
    theirs = randomised(
        JanusVisionModel(
            JanusVisionConfig(
                hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, image_size=image_size,
                patch_size=patch_size, mlp_ratio=inner / width,
            )
        ),
        seed=width,
    )  # fmt: skip
    config = SiglipConfig(
        image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads, inner=inner
    )
    ours = with_weights(SiglipEncoder(config), siglip_names.TRANSFORMERS, theirs)
    pixels = torch.randn(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(1))
    assert_exact(ours(pixels), theirs(pixels).last_hidden_state)
    assert ours(pixels).shape[1:] == (config.features().tokens, config.features().width)


@pytest.mark.parametrize(
    ("image_size", "channels", "multipliers", "blocks", "latent", "vocabulary", "code_width"),
    [
        (16, 32, (1, 2), 1, 8, 20, 4),
        (32, 32, (1, 1, 2, 4), 2, 16, 33, 8),
        (8, 64, (2,), 1, 4, 7, 2),
        (48, 32, (2, 1, 3), 3, 12, 50, 5),
    ],
)
def test_vq(image_size, channels, multipliers, blocks, latent, vocabulary, code_width):
    config = VqConfig(
        image_size=image_size, channels=channels, multipliers=multipliers, blocks=blocks, latent=latent,
        vocabulary=vocabulary, code_width=code_width,
    )  # fmt: skip
    theirs = randomised(
        JanusVQVAE(
            JanusVQVAEConfig(
                embed_dim=code_width, num_embeddings=vocabulary, latent_channels=latent, base_channels=channels,
                channel_multiplier=list(multipliers), num_res_blocks=blocks, num_patches=config.grid.height,
            )
        ),
        seed=channels + blocks,
    )  # fmt: skip
    ours = with_weights(VqTokenizer(config), vq_names.TRANSFORMERS, theirs)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(2, 3, image_size, image_size, generator=generator) * 2 - 1
    codes = torch.randint(vocabulary, (2, config.grid.size), generator=generator)
    assert_exact(ours.decode(codes[..., None]), theirs.decode(codes))
    # The port chooses codes without normalising the vectors, which the reference does: only what comes before is equal.
    latents = theirs.quant_conv(theirs.encoder(pixels)).flatten(2).transpose(1, 2)
    unit = torch.nn.functional.normalize(latents, dim=-1)
    book = torch.nn.functional.normalize(theirs.quantize.embedding.weight, dim=-1)
    assert torch.equal(ours.encode(pixels)[..., 0], torch.cdist(unit.double(), book.double()).argmin(dim=-1))


@pytest.mark.parametrize(
    ("width", "inner", "layers", "heads", "kv_heads", "tied", "theta"),
    [
        (32, 48, 2, 4, 4, False, 10_000.0),
        (48, 80, 3, 6, 2, True, 10_000.0),
        (64, 96, 1, 8, 1, False, 500_000.0),
        (16, 16, 2, 1, 1, True, 100.0),
    ],
)
def test_llama(width, inner, layers, heads, kv_heads, tied, theta):
    theirs = randomised(
        LlamaForCausalLM(
            TheirLlamaConfig(
                vocab_size=50, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
                num_attention_heads=heads, num_key_value_heads=kv_heads, rms_norm_eps=1e-6, tie_word_embeddings=tied,
                rope_parameters={"rope_type": "default", "rope_theta": theta},
            )
        ),
        seed=width,
    )  # fmt: skip
    config = LlamaConfig(
        width=width, inner=inner, layers=layers, heads=heads, kv_heads=kv_heads, vocabulary=50, tied=tied,
        rope_theta=theta,
    )  # fmt: skip
    ours = with_weights(LlamaBackbone(config), llama_names.OFFICIAL, theirs)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(50, (3, 12), generator=generator)
    attended = torch.ones(3, 12, dtype=torch.int64)
    attended[1, :5] = 0
    positions = (attended.cumsum(dim=1) - 1).clamp(min=0)
    expected = theirs(ids, attention_mask=attended, position_ids=positions).logits
    real = attended[..., None]

    documents = attended - 1
    assert_exact(ours.logits(ours(ours.embed(ids), positions, Mask(documents))) * real, expected * real)

    shape = config.hidden()
    cache = KVCache(shape.layers, 3, shape.kv_heads, 12, shape.head_width)
    mask = Mask.decoding(documents[:, :7], length=12)
    pieces = [
        ours(ours.embed(ids[:, start:stop]), positions[:, start:stop], mask, cache)
        for start, stop in ((0, 7), (7, 8), (8, 9), (9, 12))
    ]
    assert_exact(ours.logits(torch.cat(pieces, dim=1)) * real, expected * real)


@pytest.mark.parametrize(("width", "hidden", "depth"), [(12, 20, 2), (8, 16, 1), (6, 10, 3)])
def test_adapters_and_head(width, hidden, depth):
    generator = torch.Generator().manual_seed(width)
    features = torch.randn(2, 4, width, generator=generator)
    source, target = Features(4, width), Hidden(hidden, 50, 64, 1, 1, hidden)
    sizes = {"projection_dim": hidden, "hidden_act": "gelu"}
    for theirs in (
        JanusVisionAlignerMLP(JanusVisionConfig(hidden_size=width, depth=depth, **sizes)),
        JanusVQVAEAlignerMLP(JanusVQVAEConfig(embed_dim=width, num_hidden_layers=depth, **sizes)),
    ):
        ours = MlpAdapter(MlpAdapterConfig(depth=depth), source, target)
        ours = with_weights(ours, adapter_names.TRANSFORMERS, randomised(theirs, seed=depth))
        assert_exact(ours(features), theirs(features))

    theirs = JanusVQVAEHead(JanusVQVAEConfig(image_token_embed_dim=hidden, num_embeddings=30, **sizes))
    ours = MlpHead(MlpHeadConfig(), target, Codes(30, Grid(2, 2), 8))
    ours = with_weights(ours, head_names.TRANSFORMERS, randomised(theirs, seed=depth))
    states = torch.randn(5, hidden, generator=generator)
    assert_exact(ours(states), theirs(states))


def test_every_tensor_of_a_whole_model_has_its_place():
    theirs = JanusForConditionalGeneration(
        JanusConfig(
            text_config={"model_type": "llama", "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24,
                         "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
            vision_config={"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16,
                           "patch_size": 8, "projection_dim": 16},
            vq_config={"embed_dim": 4, "num_embeddings": 20, "latent_channels": 6, "base_channels": 32,
                       "channel_multiplier": [1, 2], "num_patches": 8, "projection_dim": 16,
                       "image_token_embed_dim": 16},
            tie_word_embeddings=False,
        )
    )  # fmt: skip
    state = theirs.state_dict()
    llama = LlamaConfig(width=16, inner=24, layers=2, heads=2, kv_heads=1, vocabulary=50)
    siglip = SiglipConfig(image_size=16, patch_size=8, width=8, layers=2, heads=2)
    vq = VqConfig(image_size=16, channels=32, multipliers=(1, 2), latent=6, vocabulary=20, code_width=4)
    hidden, codes = llama.hidden(), vq.codes()
    table = TableConfig()
    adapters = adapter_names.TRANSFORMERS_PREFIXES
    read = set()
    for names, prefix, module in (
        (llama_names, llama_names.TRANSFORMERS_PREFIX, LlamaBackbone(llama)),
        (siglip_names, siglip_names.TRANSFORMERS_PREFIX, SiglipEncoder(siglip)),
        (adapter_names, adapters["understanding"], MlpAdapter(MlpAdapterConfig(), siglip.features(), hidden)),
        (vq_names, vq_names.TRANSFORMERS_PREFIX, VqTokenizer(vq)),
        (table_names, table_names.TRANSFORMERS_PREFIX, TableEmbedding(table, codes)),
        (adapter_names, adapters["generation"], MlpAdapter(MlpAdapterConfig(), table.embed(codes), hidden)),
        (head_names, head_names.TRANSFORMERS_PREFIX, MlpHead(MlpHeadConfig(), hidden, codes)),
    ):
        own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        module.load_state_dict(names.TRANSFORMERS.load(own, module.state_dict()))
        read |= {prefix + piece for name in module.state_dict() for piece in names.TRANSFORMERS.theirs(name)}
    assert read == state.keys()
