"""The presets have exactly the tensors of the released models, name by name and shape by shape."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import torch
from janiform import registry

SHAPES = Path(__file__).parents[1] / "fixtures" / "janus-keys.json"
UNUSED = ("vision_model.vision_tower.attn_pool.", "gen_vision_model.quantize.codebook_used")


def parts(size):
    """Path -> component, config and ports, as a recipe of the model would connect them."""
    find = registry().find

    def of(kind, name, preset=None):
        component = find(kind, name)
        return component, component.config(**(component.presets[preset] if preset else {}))

    backbone = of("backbone", "llama", size)
    encoder = of("encoder", "siglip", "large-patch16-384")
    tokenizer = of("tokenizer", "vq", "vq-16")
    embedding, adapter, head = of("embedding", "table"), of("adapter", "mlp"), of("head", "mlp")
    hidden, codes = backbone[1].hidden(), tokenizer[1].codes()
    return {
        "backbone": (*backbone, ()),
        "understanding.encoder": (*encoder, ()),
        "understanding.adapter": (*adapter, (encoder[1].features(), hidden)),
        "generation.tokenizer": (*tokenizer, ()),
        "generation.embedding": (*embedding, (codes,)),
        "generation.adapter": (*adapter, (embedding[1].embed(codes), hidden)),
        "generation.head": (*head, (hidden, codes)),
    }


@pytest.mark.parametrize(
    ("model", "size", "billions"),
    [("janus-pro-1b", "deepseek-llm-1.5b", 2.08), ("janus-pro-7b", "deepseek-llm-7b", 7.41)],
)
def test_every_tensor_of_the_released_models_has_its_place(model, size, billions):
    shapes = json.loads(SHAPES.read_text())[model]
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in shapes.items()}
    parameters, left = 0, dict(state)
    for path, (component, config, ports) in parts(size).items():
        names = import_module(component.factory.rpartition(".")[0] + ".weights")
        prefix = getattr(names, "OFFICIAL_PREFIXES", {}).get(path.partition(".")[0]) or names.OFFICIAL_PREFIX
        theirs = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        with torch.device("meta"):
            module = component.load()(config, *ports)
        module.load_state_dict(names.OFFICIAL.load(theirs, module.state_dict()), assign=True)
        parameters += sum(parameter.numel() for parameter in module.parameters())
        left = {name: tensor for name, tensor in left.items() if not name.startswith(prefix)}
    assert not left
    used = {name: tensor for name, tensor in state.items() if not name.startswith(UNUSED)}
    assert parameters == sum(tensor.numel() for tensor in used.values())
    assert round(parameters / 1e9, 2) == billions
