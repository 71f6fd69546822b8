"""Inception has the network of the released weights, which are told apart and checked."""

from __future__ import annotations

import pytest
import torch
from inception_for_tests import random_network, released
from janiform import StorageError
from janiform.evaluate.inception import InceptionV3, load_inception, network_input
from torch.nn.functional import avg_pool2d, max_pool2d


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    return random_network()


def test_the_network_has_the_tensors_of_torchvision(network):
    # 23,834,568 parameters with the classifier of 1000 classes.
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_834_568 - 2_049_000
    names = set(network.state_dict())
    assert {
        "Conv2d_1a_3x3.conv.weight",
        "Conv2d_2b_3x3.bn.running_var",
        "Mixed_5d.branch3x3dbl_3.conv.weight",
        "Mixed_6a.branch3x3.conv.weight",
        "Mixed_6c.branch7x7dbl_5.bn.weight",
        "Mixed_7a.branch7x7x3_4.conv.weight",
        "Mixed_7c.branch3x3dbl_3b.conv.weight",
        "Mixed_7c.branch_pool.bn.bias",
    } <= names
    assert network.state_dict()["Mixed_6b.branch7x7_2.conv.weight"].shape == (128, 128, 1, 7)
    assert network.state_dict()["Mixed_7b.branch3x3_2b.conv.weight"].shape == (384, 384, 3, 1)


def test_pictures_pass_through_the_network(network):
    pixels = torch.rand(1, 3, 299, 299) * 2 - 1
    sizes: dict[str, tuple[int, ...]] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: sizes.update({name: tuple(out.shape[1:])}))
        for name, module in network.named_children()
    ]
    with torch.inference_mode():
        features_B = network(pixels)
    for hook in hooks:
        hook.remove()
    assert features_B.shape == (1, 2048)
    assert sizes["Conv2d_2b_3x3"] == (64, 147, 147)
    assert sizes["Mixed_5d"] == (288, 35, 35)
    assert sizes["Mixed_6e"] == (768, 17, 17)
    assert sizes["Mixed_7c"] == (2048, 8, 8)


@pytest.mark.parametrize(
    ("kind", "path", "pooled"),
    [
        ("pytorch-fid", "Mixed_5b", lambda x: avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        ("pytorch-fid", "Mixed_6c", lambda x: avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        ("pytorch-fid", "Mixed_7b", lambda x: avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        ("pytorch-fid", "Mixed_7c", lambda x: max_pool2d(x, 3, 1, 1)),
        ("torchvision", "Mixed_5b", lambda x: avg_pool2d(x, 3, 1, 1)),
        ("torchvision", "Mixed_7c", lambda x: avg_pool2d(x, 3, 1, 1)),
    ],
)
def test_blocks_pool_as_the_released_network_does(kind, path, pooled):
    with torch.device("meta"):
        whole = InceptionV3(kind)
    torch.manual_seed(1)
    block = whole.get_submodule(path).to_empty(device="cpu").eval()
    for tensor in block.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) if tensor.is_floating_point() else tensor)
    x = torch.rand(1, block.branch_pool.conv.in_channels, 4, 5) - 0.5
    with torch.inference_mode():
        wanted = block.branch_pool(pooled(x))
        assert torch.allclose(block(x)[:, -wanted.shape[1] :], wanted)


def test_inputs_are_resized_without_a_low_pass():
    picture = torch.rand(3, 40, 60)
    wanted = torch.nn.functional.interpolate(picture[None], (299, 299), mode="bilinear", antialias=False)[0]
    assert torch.equal(network_input(picture), 2 * wanted - 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("Mixed_5b.branch_pool.bn.weight"), "lacks: Mixed_5b.branch_pool.bn.weight"),
        (lambda state: state.update(more=torch.zeros(1)), "has unknown tensors: more"),
        (
            lambda state: state.update({"Mixed_6a.branch3x3.conv.weight": torch.zeros(2)}),
            "has other shapes of: Mixed_6a.branch3x3.conv.weight",
        ),
        (lambda state: state.pop("fc.weight"), "has no tensor 'fc.weight'"),
        (lambda state: state.update({"fc.weight": torch.zeros(7, 2)}), "is for 7 classes, expected 1008 as in"),
    ],
)
def test_other_weights_are_refused(tmp_path, network, change, message):
    state = released(network, 1008)
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(StorageError, match=message):
        load_inception(tmp_path / "w.pth")


def test_torchvision_weights_are_told_apart(tmp_path, network):
    from safetensors.torch import save_file

    state = released(network, 1000) | {"AuxLogits.fc.weight": torch.zeros(2, 2)}
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    save_file({name: tensor for name, tensor in state.items() if name not in counters}, tmp_path / "w.safetensors")
    assert load_inception(tmp_path / "w.safetensors").released == "torchvision"


def test_damaged_files_and_code_are_refused(tmp_path):
    with pytest.raises(StorageError, match=r"the file .* does not exist"):
        load_inception(tmp_path / "none.pth")
    (tmp_path / "w.pth").write_bytes(b"hello")
    with pytest.raises(StorageError, match="is damaged or not a file of weights"):
        load_inception(tmp_path / "w.pth")
    torch.save({"fc.weight": print}, tmp_path / "code.pth")
    with pytest.raises(StorageError, match="is damaged or not a file of weights"):
        load_inception(tmp_path / "code.pth")
