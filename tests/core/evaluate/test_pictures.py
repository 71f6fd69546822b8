"""Scores of folders of pictures: the Fréchet inception distance, and the CLIP score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import PictureError, StorageError, UsageError
from janiform.evaluate.inception import InceptionV3, load_inception, network_input
from janiform.evaluate.pictures import FeatureStatistics, clip_score, fid, frechet_distance, pictures_in
from PIL import Image
from torch.nn.functional import avg_pool2d, max_pool2d


def statistics(features: np.ndarray, batch: int = 7) -> FeatureStatistics:
    gathered = FeatureStatistics()
    for start in range(0, len(features), batch):
        gathered.add(torch.from_numpy(features[start : start + batch]))
    return gathered


def features(seed: int, count: int, width: int, shift: float = 0.0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return chance.normal(size=(count, width)) @ chance.normal(size=(width, width)) + shift


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(2, 60), st.integers(2, 60), st.integers(1, 12), st.floats(-5, 5))
def test_the_distance_agrees_with_scipy(seed, first, second, width, shift):
    from scipy.linalg import sqrtm

    one, other = features(seed, first, width), features(seed + 1, second, width, shift)
    covariances = [np.cov(some, rowvar=False).reshape(width, width) for some in (one, other)]
    # scipy's root loses digits where covariances are singular, so those with fewer pictures are compared below.
    if min(first, second) > width + 1:
        root = sqrtm(covariances[0] @ covariances[1]).real
        wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
        assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    # The trace of the root is the nuclear norm of the product of the centred features.
    centred = [(some - some.mean(0)) / np.sqrt(len(some) - 1) for some in (one, other)]
    overlap = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + sum(map(np.trace, covariances)) - 2 * overlap
    assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(wanted, rel=1e-5, abs=1e-4)


def test_statistics_do_not_depend_on_batches_and_keep_digits_far_from_zero():
    values = features(0, 50, 5, 1e6)
    for batch in (1, 7, 50):
        gathered = statistics(values, batch)
        assert np.allclose(gathered.mean.numpy(), values.mean(0), rtol=1e-12)
        assert np.allclose(gathered.covariance.numpy(), np.cov(values, rowvar=False), rtol=1e-6)


def test_the_distance_of_equal_pictures_is_zero():
    values = features(3, 20, 40)
    assert frechet_distance(statistics(values), statistics(values[::-1].copy())) == pytest.approx(0, abs=1e-4)


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    torch.manual_seed(0)
    made = InceptionV3("pytorch-fid").eval()
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return made


def released(network: InceptionV3, classes: int) -> dict[str, torch.Tensor]:
    """The tensors of a released file: with the classifier, and in float16, which takes half the space here."""
    head = {"fc.weight": torch.zeros(classes, 2048), "fc.bias": torch.zeros(classes)}
    return {name: tensor.half() for name, tensor in (network.state_dict() | head).items()}


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "pt_inception.pth"
    torch.save(released(network, 1008), path)
    return path


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


def write(folder: Path, count: int, seed: int, side: int = 20) -> Path:
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for number in range(count):
        pixels = chance.integers(0, 256, (side, side + number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


class Fewer(torch.nn.Module):
    """The first features of a network, since roots of large covariances take a while."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        super().__init__()
        self.network = load_inception(path, device)
        self.released = self.network.released

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network(pixels)[:, :50]


def test_the_distance_of_two_folders(tmp_path, weights, monkeypatch):
    monkeypatch.setattr("janiform.evaluate.pictures.load_inception", Fewer)
    first, second = write(tmp_path / "a", 3, 0), write(tmp_path / "b", 2, 1)
    steps = []
    result = fid(first, second, weights, on_step=lambda done, of: steps.append((done, of)))
    loaded = Fewer(weights)
    gathered = []
    for folder in (first, second):
        inputs = [
            network_input(torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255)
            for path in sorted(folder.iterdir())
        ]
        with torch.inference_mode():
            gathered.append(statistics(loaded(torch.stack(inputs)).double().numpy()))
    assert result.score.value == pytest.approx(frechet_distance(*gathered), rel=1e-4)
    assert (result.score.count, result.settings["pictures"]) == (5, [3, 2])
    assert result.settings["inception"] == "pytorch-fid"
    assert len(result.settings["weights_sha256"]) == 64
    assert steps[-1] == (5, 5)


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
    with pytest.raises(StorageError, match="there is no file"):
        load_inception(tmp_path / "none.pth")
    (tmp_path / "w.pth").write_bytes(b"hello")
    with pytest.raises(StorageError, match="is damaged or not a file of weights"):
        load_inception(tmp_path / "w.pth")
    torch.save({"fc.weight": print}, tmp_path / "code.pth")
    with pytest.raises(StorageError, match="is damaged or not a file of weights"):
        load_inception(tmp_path / "code.pth")


def test_folders_without_pictures_are_refused(tmp_path, weights):
    folder = write(tmp_path / "a", 2, 0)
    (tmp_path / "b").mkdir()
    with pytest.raises(UsageError, match=r"b' holds no pictures: no files with .png"):
        fid(folder, tmp_path / "b", weights)
    with pytest.raises(UsageError, match="there is no folder"):
        pictures_in(tmp_path / "c")
    write(tmp_path / "d", 1, 0)
    with pytest.raises(UsageError, match="holds 1 pictures; a distance needs two at least"):
        fid(folder, tmp_path / "d", weights)
    (tmp_path / "d" / "deeper").mkdir()
    (tmp_path / "d" / "deeper" / "x.PNG").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"x.PNG' is not a picture"):
        fid(folder, tmp_path / "d", weights)


@frozen
class MeanColour:
    """Directions by mean colours, and of texts by the colours that they name."""

    settings = {"model": "fake"}  # noqa: RUF012 - it is never changed

    def pictures(self, pictures):
        return self._directions([np.asarray(some).mean((0, 1)) for some in pictures])

    def texts(self, texts):
        return self._directions([[some.count(name) for name in ("red", "green", "blue")] for some in texts])

    @staticmethod
    def _directions(values):
        return torch.nn.functional.normalize(torch.tensor(np.array(values), dtype=torch.float32), dim=-1)


def test_pictures_are_compared_with_their_texts(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "texts").mkdir()
    colours = {"one": ("red", "red"), "two": ("blue", "red"), "three": ("red", "red blue")}
    for name, (colour, text) in colours.items():
        Image.new("RGB", (5, 4), colour).save(tmp_path / "a" / f"{name}.png")
        (tmp_path / "texts" / f"{name}.txt").write_text(f"{text}\n")
    result = clip_score(tmp_path / "a", tmp_path / "texts", MeanColour())
    assert result.score.value == pytest.approx(100 * (1 + 0 + 0.5**0.5) / 3, rel=1e-6)
    assert result.score.count == 3
    assert result.score.low < result.score.value < result.score.high
    assert result.settings == {"metric": "clip", "pairs": 3, "compared_with": "texts", "model": "fake"}
    (tmp_path / "texts" / "two.txt").unlink()
    (tmp_path / "texts" / "four.txt").write_text("x")
    with pytest.raises(UsageError, match=r"(?s)texts' lacks 1 of the other folder's names: two.*a' lacks 1 .*: four"):
        clip_score(tmp_path / "a", tmp_path / "texts", MeanColour())


def test_pictures_are_compared_with_pictures_of_the_same_name(tmp_path):
    first, second = write(tmp_path / "a", 3, 0), write(tmp_path / "b", 3, 1)
    result = clip_score(first, second, MeanColour())
    assert 90 < result.score.value <= 100
    assert result.settings["compared_with"] == "pictures"
    assert clip_score(first, first, MeanColour()).score.value == pytest.approx(100)
    Image.new("RGB", (4, 4)).save(first / "1.jpg")
    with pytest.raises(UsageError, match=r"holds 1.jpg and 1.png; a name must not repeat"):
        clip_score(first, second, MeanColour())


def test_a_text_that_is_not_utf8_is_named(tmp_path):
    first = write(tmp_path / "a", 1, 0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "0.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"0.txt' is not a text in UTF-8"):
        clip_score(first, tmp_path / "b", MeanColour())
