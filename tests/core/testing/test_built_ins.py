"""Every built-in part keeps the promises of its kind, as those of third parties must."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import strategies as st
from janiform import registry
from janiform.testing import conforms
from janiform.testing.suite import TESTED_KINDS

from .data_on_disk import FILES
from .drawing_on_disk import DRAWING
from .questions_on_disk import QUESTIONS


def tables(**fields):
    return st.fixed_dictionaries(
        {name: value if hasattr(value, "map") else st.just(value) for name, value in fields.items()}
    )


EYES = {
    "image_size": st.sampled_from((16, 24)),
    "patch_size": 8,
    "width": st.sampled_from((16, 32)),
    "layers": 2,
    "heads": 2,
}
DECODER = {
    "width": 16,
    "inner": st.sampled_from((12, 32)),
    "layers": st.integers(1, 2),
    "heads": st.sampled_from((2, 4)),
    "vocabulary": 40,
    "context": 64,
    "tied": st.booleans(),
}
CODEC = {
    "image_size": st.sampled_from((16, 32)),
    "channels": 8,
    "groups": 4,
    "multipliers": (1, 2, 2),
    "blocks": 1,
    "latent": 8,
}
VIT = {
    "width": st.sampled_from((8, 12)),
    "layers": st.integers(1, 2),
    "heads": 2,
    "buffer": st.integers(1, 3),
    "table": st.sampled_from((0, 2)),
}
STREAM = {"seed": st.integers(0, 9), "shuffle": st.booleans(), "limit": st.sampled_from((0, 4))}


def of_transformers(*families):
    """Its type and settings, of several families."""
    return st.sampled_from([{"model_type": name, "settings": settings} for name, settings in families])


LANGUAGE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 40,
            "max_position_embeddings": 64}  # fmt: skip
GEMMA = {"head_dim": 8, "num_key_value_heads": 1, "intermediate_size": 24, "sliding_window": 3}
VISION = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
TESTED = {
    ("encoder", "siglip"): tables(**EYES),
    ("encoder", "clip"): tables(**EYES),
    ("encoder", "dinov2"): tables(**EYES, registers=st.integers(0, 3), ffn=st.sampled_from(("mlp", "swiglu"))),
    ("encoder", "patches"): tables(image_size=st.sampled_from((16, 24)), patch_size=8),
    ("encoder", "transformers"): of_transformers(("siglip_vision_model", VISION), ("dinov2", VISION), ("vit", VISION)),
    ("tokenizer", "vq"): tables(**CODEC, vocabulary=st.sampled_from((7, 24)), code_width=4),
    ("tokenizer", "taming"): tables(
        **CODEC, vocabulary=st.sampled_from((7, 24)), code_width=4, attention_sides=st.sampled_from(((), (8, 16)))
    ),
    ("tokenizer", "movq"): tables(
        grid=st.sampled_from(((4, 4), (3, 5))),
        **{name: CODEC[name] for name in ("channels", "groups", "multipliers", "blocks")},
        frames=st.sampled_from((1, 4)),
        vocabulary=st.sampled_from((7, 24)),
    ),
    ("tokenizer", "fsq"): tables(**CODEC, levels=st.sampled_from(((3, 5), (4, 3, 3)))),
    ("tokenizer", "lfq"): tables(**CODEC, bits=st.integers(2, 5)),
    ("tokenizer", "magvit2"): tables(
        **{name: CODEC[name] for name in ("image_size", "channels", "groups", "multipliers")},
        blocks=(1, 2, 1),
        decoder_multipliers=(1, 1, 2),
        decoder_blocks=st.sampled_from(((1, 1, 2), (2, 1, 1))),
        bits=st.integers(2, 5),
    ),
    ("tokenizer", "rvq"): tables(
        **CODEC, vocabulary=st.sampled_from((7, 24)), code_width=4, depth=st.integers(1, 4), shared=st.booleans()
    ),
    ("tokenizer", "siglip-rvq"): tables(
        **CODEC,
        vocabulary=st.sampled_from((7, 24)),
        code_width=4,
        depth=st.integers(1, 3),
        width=16,
        layers=1,
        heads=2,
        positions=st.sampled_from(("random", "waves")),
    ),
    ("tokenizer", "split-vq"): tables(
        **CODEC,
        vocabulary=st.sampled_from((7, 24)),
        code_width=12,
        depth=st.integers(1, 4),
        entropy=st.sampled_from((0.0, 0.1)),
    ),
    ("tokenizer", "kl"): tables(
        **CODEC | {"latent": st.integers(2, 4)},
        encoder_attention=st.sampled_from(((), (2,))),
        quant_conv=st.booleans(),
        patch=st.sampled_from((1, 2)),
        order=st.sampled_from(("cpq", "pqc")),
        scale=st.sampled_from((1.0, 0.3611)),
        shift=st.sampled_from((0.0, 0.1159)),
        local=st.booleans(),
    ),
    ("tokenizer", "features"): st.one_of(
        tables(**EYES, side=st.sampled_from((0, 2)), final_norm=st.booleans(), unit=st.booleans()),
        tables(**EYES, decoder_channels=4, decoder_multipliers=(1, 2, 1, 2), decoder_blocks=1, unit=st.booleans()),
        tables(**EYES | {"image_size": 32}, side=2, decoder_channels=4, decoder_multipliers=(1, 2, 1, 2, 1)),
    ),
    ("tokenizer", "scales-vq"): st.one_of(
        tables(**CODEC | {"image_size": 16}, scales=(1, 2, 4), vocabulary=24, code_width=4),
        tables(**CODEC | {"image_size": 32}, scales=(1, 3, 8), vocabulary=7, code_width=4),
    ),
    ("tokenizer", "tokenflow"): tables(
        **CODEC | {"image_size": 16},
        picture_size=st.sampled_from((0, 20)),
        scales=(1, 2, 4),
        vocabulary=st.sampled_from((7, 24)),
        semantic_width=6,
        pixel_width=4,
        teacher=st.sampled_from(("clip", "siglip")),
        teacher_size=st.sampled_from((16, 24)),
        teacher_patch=8,
        teacher_width=16,
        teacher_layers=2,
        teacher_heads=2,
        projection=st.sampled_from((0, 12)),
        semantic_layers=1,
        decoder_channels=st.sampled_from((0, 16)),
        decoder_blocks=st.sampled_from((0, 1)),
    ),
    ("embedding", "scales"): tables(
        layers=st.integers(1, 3),
        resize=st.sampled_from(("progressive", "full")),
        levels=st.booleans(),
        positions=st.sampled_from(("none", "learned", "waves")),
        start=st.sampled_from((None, 3)),
    ),
    ("sampler", "scales"): st.one_of(
        tables(guidance=st.sampled_from((1.0, 3.0)), ramp=st.booleans(), top_k=st.sampled_from((0, 4))),
        tables(guidance=st.sampled_from((1.0, 3.0)), passes=st.integers(2, 3), middle_top_k=5),
    ),
    ("embedding", "table"): tables(
        width=st.sampled_from((0, 6, 16)), positions=st.sampled_from(("none", "waves")), mask=st.booleans()
    ),
    ("embedding", "codebook"): tables(),
    ("embedding", "shared"): tables(first=st.sampled_from((0, 20)), mask=st.sampled_from((None, 3))),
    ("embedding", "patches"): tables(
        time=st.sampled_from(("add", "lead", "none")),
        frequencies=st.sampled_from((2, 16)),
        order=st.sampled_from(("cos-sin", "sin-cos")),
        multiplier=st.sampled_from((1.0, 1000.0)),
        data_at=st.sampled_from((0.0, 1.0)),
        positions=st.sampled_from(("none", "waves", "learned")),
        mask=st.booleans(),
        layers=st.integers(1, 2),
    ),
    ("adapter", "mlp"): tables(
        depth=st.integers(1, 3),
        activation=st.sampled_from(("gelu", "gelu-tanh", "silu")),
        positions=st.sampled_from(("none", "waves")),
    ),
    ("adapter", "linear"): tables(bias=st.booleans()),
    ("adapter", "identity"): tables(),
    ("adapter", "pixel-shuffle"): tables(depth=st.integers(1, 2)),
    ("adapter", "resampler"): tables(queries=st.integers(1, 5), heads=2),
    ("backbone", "llama"): tables(**DECODER),
    ("backbone", "qwen2"): tables(**DECODER, head_norm=st.booleans()),
    ("backbone", "qwen3"): tables(**DECODER, head_width=st.sampled_from((0, 6))),
    ("backbone", "qwen3-moe"): tables(
        **DECODER,
        experts=st.integers(2, 5),
        active=st.integers(1, 2),
        expert_inner=st.sampled_from((8, 12)),
        normalised=st.booleans(),
        sparse_step=st.sampled_from((1, 2)),
        z_loss=st.sampled_from((0.0, 0.1)),
    ),
    ("backbone", "mistral"): tables(**DECODER),
    ("backbone", "gemma"): tables(**DECODER, head_width=st.sampled_from((0, 6))),
    ("backbone", "chameleon"): tables(**DECODER, swin_norm=st.booleans()),
    ("backbone", "bamba"): tables(
        **DECODER,
        attention=st.sampled_from(((), (0,))),
        mamba_heads=st.sampled_from((2, 4)),
        state=st.sampled_from((3, 8)),
        groups=st.sampled_from((1, 2)),
        conv=st.integers(2, 4),
        chunk=st.sampled_from((2, 64)),
    ),
    ("backbone", "phi"): tables(
        **{name: value for name, value in DECODER.items() if name != "tied"}, kv_heads=st.sampled_from((0, 1))
    ),
    ("backbone", "transformers"): of_transformers(
        ("qwen3", LANGUAGE | {"head_dim": 6, "num_key_value_heads": 1}),
        ("gemma2", LANGUAGE | GEMMA),
        ("gpt_neox", LANGUAGE),
    ),
    ("head", "mlp"): tables(depth=st.integers(1, 3)),
    ("head", "linear"): tables(bias=st.booleans()),
    ("head", "shared"): tables(softmax=st.sampled_from(("all", "codes"))),
    ("head", "depth"): tables(
        layers=st.integers(1, 2),
        heads=2,
        shared=st.booleans(),
        shared_output=st.booleans(),
        inputs=st.sampled_from(("sum", "last")),
    ),
    ("head", "regression"): tables(
        layers=st.integers(1, 3), loss=st.sampled_from(("cosine", "squared")), unit=st.booleans()
    ),
    ("head", "values"): tables(
        of=st.sampled_from(("velocity", "noise", "data")),
        norm=st.sampled_from(("none", "rms", "layer")),
        layers=st.integers(1, 3),
        bias=st.booleans(),
    ),
    ("source", "shapes"): tables(task=st.sampled_from(("draw", "ask", "read")), seed=st.integers(0, 99)),
    ("objective", "autoregressive"): tables(packed=st.sampled_from((0, 200)), text_dropout=0.5),
    ("objective", "aligned"): tables(block=1, layers=st.integers(1, 3), width=st.sampled_from((0, 16))),
    ("objective", "contrastive"): tables(width=16, layers=1, heads=2, decoder=st.sampled_from((0, 1))),
    ("objective", "reconstruction"): tables(),
    ("objective", "semantic"): tables(width=16, layers=1, heads=2, decoder=st.sampled_from((0, 1))),
    ("tiling", "grid"): tables(tiles=st.integers(1, 6), overview=st.sampled_from(("first", "last", "none"))),
    ("text", "bpe"): tables(vocabulary=320),
    ("sampler", "masked"): tables(steps=st.integers(1, 6), schedule=st.sampled_from(("cosine", "linear", "square"))),
    ("sampler", "autoregressive"): tables(guidance=st.sampled_from((1.0, 3.0)), top_k=st.sampled_from((0, 4))),
    ("embedding", "uvit"): tables(
        width=st.sampled_from((4, 6)),
        frequencies=st.sampled_from((2, 16)),
        order=st.sampled_from(("cos-sin", "sin-cos")),
        blocks=st.integers(0, 2),
        patch=1,
    ),
    ("head", "uvit"): tables(
        width=st.sampled_from((4, 6)), blocks=st.integers(1, 2), of=st.sampled_from(("velocity", "noise", "data"))
    ),
    ("head", "diffusion"): tables(
        width=st.sampled_from((4, 8)),
        depth=st.integers(1, 2),
        frequencies=st.sampled_from((2, 8)),
        steps=st.integers(2, 4),
        draws=st.integers(1, 4),
    ),
    ("embedding", "mar"): tables(**VIT),
    ("head", "mar"): tables(
        **VIT,
        net_width=st.sampled_from((4, 8)),
        net_depth=st.integers(1, 2),
        frequencies=st.sampled_from((2, 8)),
        steps=st.integers(2, 4),
        draws=st.integers(1, 3),
    ),
    ("sampler", "masked-latents"): tables(
        steps=st.integers(1, 6),
        guidance=st.sampled_from((1.0, 3.0)),
        guidance_schedule=st.sampled_from(("constant", "linear")),
        temperature=st.sampled_from((0.5, 1.0)),
    ),
    ("sampler", "regression"): tables(guidance=st.sampled_from((1.0, 3.0)), renorm=st.booleans()),
    ("sampler", "flow"): tables(
        steps=st.integers(1, 4),
        guidance=st.sampled_from((1.0, 3.0)),
        solver=st.sampled_from(("euler", "heun")),
        times=st.sampled_from(("uniform", "logit-normal")),
        data_at=st.sampled_from((0.0, 1.0)),
        renorm=st.sampled_from(("none", "global", "channel", "text_channel")),
        rule=st.sampled_from(("plain", "stacked")),
        guidance_above=st.sampled_from((0.0, 0.4)),
        before_text=st.sampled_from((0.0, 0.5)),
    ),
    ("sampler", "diffusion"): tables(
        steps=st.integers(1, 4), guidance=st.sampled_from((1.0, 3.0)), eta=st.sampled_from((0.0, 1.0)), clip=3.0,
        before_text=st.sampled_from((0.0, 0.5)),
    ),
    ("layout", "harmon"): tables(request=st.sampled_from(("Generate an image: {prompt}", "{prompt}!"))),
    ("layout", "janus"): tables(
        system=st.sampled_from(("", "Be brief.")), full_pictures=st.booleans(), one_position=st.booleans()
    ),
    ("layout", "chameleon"): tables(after_system=st.sampled_from(("\n", " "))),
    ("layout", "bagel"): tables(
        draws_from=st.sampled_from(((), ("understanding",))), most_sources=st.sampled_from((0, 1))
    ),
    ("layout", "tokenflow"): tables(
        longest_prompt=st.sampled_from((0, 60, 128)), negative=st.sampled_from(("", "blurry"))
    ),
    ("layout", "show-o"): tables(
        longest_prompt=st.sampled_from((0, 60, 129)), predict_marks=st.booleans()
    ),
    ("layout", "emu3"): tables(negative=st.sampled_from(("", "blurry")), system=st.sampled_from(("", "Be brief."))),
    ("sink", "tensorboard"): tables(),
    ("sink", "wandb"): tables(),
    ("benchmark", "shapes"): tables(prompts=1, pictures=1, questions=2),
    ("benchmark", "shapes-edit"): tables(edits=1),
    **{("benchmark", name): tables(**settings) for name, settings in (DRAWING | QUESTIONS).items()},
    ("format", "janiform"): tables(),
    ("format", "official"): tables(),
    ("format", "janusflow"): tables(),
    ("format", "hf"): tables(),
    ("format", "chameleon"): tables(),
    ("format", "bagel"): tables(),
    ("format", "emu3"): tables(),
    ("format", "emu3-official"): tables(),
    ("format", "show-o"): tables(),
    **{("source", name): tables(**STREAM, **settings) for name, settings in FILES.items()},
}  # fmt: skip

PARTS = ("encoder", "tokenizer", "embedding", "adapter", "backbone", "head", "source")

KERNELS = ("sdpa", "flex", "varlen", "xformers")


def without_start(tests: type) -> type:
    """Starting Python once for each takes seconds; `test_all_register_without_torch` sees them all at once."""
    del tests.test_registers_without_torch
    return tests


for kernel in KERNELS:
    globals()[f"TestKernel{kernel.title()}"] = without_start(
        conforms("kernel", kernel, examples=25 if kernel == "sdpa" else 8)
    )

for (kind, name), drawn in TESTED.items():
    globals()[f"Test{kind.title()}{name.title().replace('-', '')}"] = without_start(
        conforms(kind, name, drawn, examples=3 if kind in PARTS and name != "transformers" else 2)
    )


def test_all_register_without_torch() -> None:
    modules = sorted({c.config.__module__ for c in registry().components() if c.distribution == "janiform"})
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        "    assert 'torch' not in sys.modules, f'importing {module} imports torch'\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_all_built_ins_are_tested() -> None:
    ours = {
        (c.kind, c.name) for c in registry().components() if c.kind in TESTED_KINDS and c.distribution == "janiform"
    }
    assert ours == set(TESTED), f"a line in TESTED is missing, or one too many: {sorted(ours ^ set(TESTED))}"
    assert {c.name for c in registry().components("kernel") if c.distribution == "janiform"} == set(KERNELS)


def test_what_cannot_be_tested_is_said() -> None:
    with pytest.raises(ValueError, match="no conformance tests for the kind 'encoders'"):
        conforms("encoders", "siglip")
    with pytest.raises(ValueError, match="there is no check flies"):
        conforms("adapter", "mlp", without=("flies",))
