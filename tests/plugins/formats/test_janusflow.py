"""JanusFlow's folders, written by modules with the names of the release: torch's, diffusers' and transformers'."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.unets.uvit_2d import ConvNextBlock
from janiform import Conversation, StorageError, UsageError, normal, open_model, sampler_of
from janiform.storage.convert import convert
from janiform.storage.formats import format_of, recognise
from janiform_plugins.encoders.config import SiglipConfig
from janiform_plugins.encoders.siglip import SiglipEncoder
from janiform_plugins.encoders.weights import SIGLIP_OFFICIAL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

H, W, SIDE, PLACES = 32, 8, 16, 16
TOWER = {"image_size": SIDE, "patch_size": 8, "width": 16, "layers": 2, "heads": 2}
SCALE = 0.25


class Blocks(nn.Module):
    """``mid_block`` of the release."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res_blocks = nn.ModuleList(ConvNextBlock(channels, 1e-6, True, True, 0.0, H) for _ in range(2))
        for block in self.res_blocks:
            block.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        for block in self.res_blocks:
            x = block(x, time)
        return x


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.time_embed = TimestepEmbedding(W, H)
        self.in_conv = nn.Conv2d(2, W, 2, 2)
        self.mid_block = Blocks(W)


class Out(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(2 * W, 1e-6)
        self.unpatch_conv = nn.Conv2d(2 * W, 2 * 4, 1)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.input_norm = nn.RMSNorm(W, 1e-6)
        self.mid_block = Blocks(2 * W)
        self.out_convs = nn.ModuleList([Out()])


class Release(nn.Module):
    """``MultiModalityCausalLM`` of ``janus/janusflow``, but for its tower, which is the encoder of Janus."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vision_und_enc_aligner = nn.Linear(16, H)
        self.beg_of_und_embed = nn.Parameter(torch.zeros(1, H))
        self.vision_gen_enc_model = Encoder()
        self.vision_gen_enc_aligner = nn.Linear(W, H)
        self.vision_gen_dec_aligner_norm = nn.RMSNorm(H, 1e-5)
        self.vision_gen_dec_aligner = nn.Linear(H, W)
        self.vision_gen_dec_model = Decoder()
        self.language_model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=H, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, vocab_size=vocabulary,
                rms_norm_eps=1e-5, max_position_embeddings=256, tie_word_embeddings=False,
            )
        )  # fmt: skip
        self.tower = SiglipEncoder(SiglipConfig(**TOWER))

    def files(self) -> dict[str, Tensor]:
        """The tensors by the names of the release."""
        gamma_beta = {
            "channelwise_norm.gamma": "channelwise_norm.weight",
            "channelwise_norm.beta": "channelwise_norm.bias",
        }
        made = {}
        for name, tensor in self.state_dict().items():
            if name.startswith("tower."):
                (name,) = SIGLIP_OFFICIAL.below("vision_und_enc_model.vision_tower.").in_files(name[6:]) or ()
            for before, after in gamma_beta.items():
                name = name.replace(before, after)
            made[name] = tensor.clone()
        return made

    def velocity(self, ids: list[int], shown: int, z: Tensor, time: float) -> Tensor:
        """That of latents [1, 2, 8, 8], where only the first ``shown`` ids are attended to."""
        t = self.vision_gen_enc_model.time_embed(Timesteps(W, True, 0)(torch.tensor([time * 1000])))
        x = self.vision_gen_enc_model.mid_block(self.vision_gen_enc_model.in_conv(z), t)
        vectors = self.vision_gen_enc_aligner(x.flatten(2).transpose(1, 2))
        text = self.language_model.get_input_embeddings()(torch.tensor([ids]))
        inputs = torch.cat((text, t[:, None], vectors), dim=1)
        mask = torch.ones(1, inputs.shape[1], dtype=torch.int64)
        mask[0, shown : len(ids)] = 0
        states = self.language_model.model(
            inputs_embeds=inputs, attention_mask=mask, position_ids=torch.arange(inputs.shape[1])[None], use_cache=False
        ).last_hidden_state[:, -PLACES:]
        y = self.vision_gen_dec_aligner(self.vision_gen_dec_aligner_norm(states))
        decoder: Any = self.vision_gen_dec_model
        y = torch.cat((decoder.input_norm(y).transpose(1, 2).reshape(1, W, 4, 4), x), dim=1)
        out = decoder.out_convs[0]
        y = out.norm(decoder.mid_block(y, t).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        predicted: Tensor = nn.functional.pixel_shuffle(out.unpatch_conv(y), 2)
        return predicted


def write(folder: Path, official: Path) -> tuple[Release, Any]:
    """A folder of the release, with the autoencoder beside it."""
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "processor_config.json",
                 "preprocessor_config.json"):  # fmt: skip
        shutil.copy(official / name, folder)
    vocabulary = json.loads((official / "config.json").read_text())["language_config"]["vocab_size"]
    torch.manual_seed(0)
    release = Release(vocabulary).eval()
    vae = AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=["DownEncoderBlock2D"] * 2, layers_per_block=1, latent_channels=2,
        up_block_types=["UpDecoderBlock2D"] * 2, norm_num_groups=4, scaling_factor=SCALE,
    ).eval()  # fmt: skip
    with torch.no_grad():
        for module in (release, vae):
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    save_file(release.files(), folder / "model.safetensors")
    vae.save_pretrained(folder.parent / "sdxl-vae")
    uvit = {"block_out_channels": [W], "layers_in_middle": 2, "hidden_size": H, "elementwise_affine": True,
            "norm_eps": 1e-6, "use_bias": True, "dropout": 0.0}  # fmt: skip
    language = release.language_model.config.to_dict()
    config = {
        "architectures": ["MultiModalityCausalLM"],
        "model_type": "multi_modality",
        "language_config": {name: language[name] for name in (
            "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
            "rms_norm_eps", "max_position_embeddings", "model_type")},
        "vision_und_enc_config": {
            "cls": "CLIPVisionTower", "model_type": "vision_und_enc",
            "params": {**TOWER, "model_name": "siglip_large_patch16_384", "select_feature": "same", "select_layer": -1},
        },
        "vision_gen_enc_config": {
            "cls": "ShallowUViTEncoder", "model_type": "vision_gen_enc",
            "params": {**uvit, "input_channels": 2, "kernel_size": 2, "stride": 2, "padding": 0},
        },
        "vision_gen_dec_config": {
            "cls": "ShallowUViTDecoder", "model_type": "vision_gen_dec",
            "params": {**uvit, "in_channels": W, "out_channels": 2, "upsamples": 1},
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    for name, changes in (
        ("preprocessor_config.json", {"image_size": SIDE}), ("processor_config.json", {"num_image_tokens": 4})
    ):  # fmt: skip
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | changes))
    return release, vae


@pytest.fixture(scope="module")
def case(official: Path, tmp_path_factory: Any) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("janusflow") / "model"
    release, vae = write(folder, official)
    return SimpleNamespace(folder=folder, release=release, vae=vae, ours=open_model(folder))


@pytest.fixture
def copied(case: Any, tmp_path: Path) -> Path:
    """A copy whose files may be changed, with its autoencoder."""
    shutil.copytree(case.folder.parent, tmp_path / "copy")
    return tmp_path / "copy" / "model"


def test_the_folder_is_recognised_and_its_settings_are_read(case: SimpleNamespace, official: Path) -> None:
    assert recognise(case.folder).reference == "janusflow@1"
    assert recognise(official).reference == "official@1"
    plan = case.ours.plan
    assert plan.pathways["understanding"].tokens == 1 + 4
    assert plan.pathways["generation"].tokens == 1 + PLACES
    assert plan.parts["generation.tokenizer"].use.config.scale == SCALE
    assert plan.parts["generation.head"].use.config.eps == 1e-5
    assert plan.recipe.layout.config.roles == ("User", "Assistant") or plan.recipe.layout.config.roles[0] == "<|User|>"


@torch.no_grad()
def test_drawing_is_the_released_loop(case: SimpleNamespace, assert_exact: Any) -> None:
    model, prompt = case.ours, case.ours.processor.drawing_prompt("a red circle")
    ids = list(prompt.ids)
    blank = [ids[0], *[model.processor.layout.pad_id] * (len(ids) - 1)]
    drawn = sampler_of(model.plan).draw(model, [prompt], seeds=[3], steps=4)
    z = nn.functional.pixel_shuffle(normal([3], (PLACES, 8)).transpose(1, 2).unflatten(2, (4, 4)), 2)
    for step in range(4):
        conditional = case.release.velocity(ids, len(ids), z, step / 4)
        unconditional = case.release.velocity(blank, 1, z, step / 4)
        z = z + (2 * conditional - unconditional) / 4
    places = nn.functional.pixel_unshuffle(z, 2).flatten(2).transpose(1, 2)
    torch.testing.assert_close(drawn, places, atol=1e-3, rtol=1e-3)
    pixels = model.part("generation.tokenizer").decode(places)
    torch.testing.assert_close(pixels, case.vae.decode(z / SCALE).sample, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_looking_is_the_released_one(case: SimpleNamespace, assert_exact: Any) -> None:
    """The learned vector stands at the place of ``<begin_of_image>``, whose own embedding is not read."""
    model, release = case.ours, case.release
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    sequence = model.processor.sequence(Conversation.asking("what is it?", picture), answer=False)
    layout, text = model.plan.recipe.layout.config, model.processor.text
    before, look, after = (list(span.ids) for span in sequence.spans)
    assert text.id_of(layout.begin_of_image) not in before
    assert after[0] == text.id_of(layout.end_of_image)
    assert len(look) == 1 + 4
    batch = model.processor.collate([sequence])
    seen = release.vision_und_enc_aligner(release.tower(batch.pictures["understanding"].pixels))
    embed = release.language_model.get_input_embeddings()
    inputs = torch.cat(
        (embed(torch.tensor([before])), release.beg_of_und_embed[None], seen, embed(torch.tensor([after]))), dim=1
    )
    logits = release.language_model(inputs_embeds=inputs).logits
    assert_exact(model.backbone.logits(model.hidden(batch)), logits)


def test_it_goes_through_another_format_unchanged(case: SimpleNamespace, tmp_path: Path) -> None:
    convert(str(case.folder), tmp_path / "ours", "janiform")
    again = open_model(tmp_path / "ours")
    assert again.plan.recipe.layout.config == case.ours.plan.recipe.layout.config
    for name, tensor in case.ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    prompt = again.processor.drawing_prompt("a red circle")
    drawn = [sampler_of(model.plan).draw(model, [prompt], seeds=[3], steps=2) for model in (case.ours, again)]
    assert torch.equal(*drawn)
    with pytest.raises(janiform.CompositionError, match="format 'janusflow' is read only"):
        convert(str(tmp_path / "ours"), tmp_path / "theirs", "janusflow")


def edited(folder: Path, edit: Callable[[Any], Any]) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


def test_missing_and_surplus_tensors_are_named(copied: Path) -> None:
    def edit(tensors: dict[str, Tensor]) -> None:
        del tensors["vision_gen_dec_model.mid_block.res_blocks.1.depthwise.weight"]
        del tensors["beg_of_und_embed"]
        tensors["vision_gen_enc_model.mid_block.res_blocks.2.norm.weight"] = torch.zeros(W)
        tensors["vision_gen_vae.decoder.weight"] = torch.zeros(3)

    edited(copied, edit)
    with pytest.raises(StorageError) as raised:
        open_model(copied)
    text = str(raised.value)
    assert "generation.head: the files lack vision_gen_dec_model.mid_block.res_blocks.1.depthwise.weight" in text
    assert "understanding.adapter: the files lack beg_of_und_embed" in text
    assert "vision_gen_enc_model.mid_block.res_blocks.2.norm.weight" in text
    assert "vision_gen_vae.decoder.weight" in text


def test_without_the_autoencoder_it_looks_only(case: SimpleNamespace, copied: Path) -> None:
    shutil.rmtree(copied.parent / "sdxl-vae")
    model = janiform.load(copied)
    assert list(model.model.plan.pathways) == ["understanding"]
    assert torch.equal(model.model.understanding.adapter.lead, case.ours.understanding.adapter.lead)
    with pytest.raises(UsageError, match=r"has no pathway that draws.*put stabilityai/sdxl-vae into"):
        model.generate("a red circle")
    assert isinstance(model.ask(np.zeros((8, 8, 3), np.uint8), "what?", max_new_tokens=2), str)


def test_the_autoencoder_may_lie_within_and_have_older_names(case: SimpleNamespace, copied: Path) -> None:
    (copied.parent / "sdxl-vae").rename(copied / "sdxl-vae")
    file = copied / "sdxl-vae" / "diffusion_pytorch_model.safetensors"
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    for after, before in older.items():
        tensors = {name.replace(f".{after}.", f".{before}."): tensor for name, tensor in tensors.items()}
    save_file(tensors, file)
    again = open_model(copied).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in case.ours.state_dict().items())


@pytest.mark.parametrize(
    ("table", "setting", "value", "sentence"),
    [
        ("vision_gen_enc_config", "kernel_size", 4, "kernel_size: is 4, but janiform supports 2 only"),
        ("vision_gen_enc_config", "input_channels", 4, "latent_channels: is 2, but vision_gen_enc_config.*is 4"),
        ("vision_gen_dec_config", "upsamples", 2, "upsamples: is 2, but janiform supports 1 only"),
        ("vision_gen_dec_config", "in_channels", 4, "in_channels: is 4, but .*block_out_channels is 8"),
        ("vision_und_enc_config", "select_layer", -2, "select_layer: is -2, but janiform supports -1 only"),
    ],
)
def test_an_unknown_version_is_explained(copied: Path, table: str, setting: str, value: Any, sentence: str) -> None:
    config = json.loads((copied / "config.json").read_text())
    config[table]["params"][setting] = value
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(StorageError, match=sentence):
        format_of(copied).format.recipe(copied)
