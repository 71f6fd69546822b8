"""Pictures as frequencies: an encoder and a tokenizer for janiform."""

from janiform import hookimpl

from .config import DctConfig, DctVqConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "encoder",
        "dct",
        version=1,
        config=DctConfig,
        factory="janiform_frequencies.encoder:DctEncoder",
        summary="low frequencies of squares, through a small MLP",
    )
    registrar.component(
        "tokenizer",
        "dct-vq",
        version=1,
        config=DctVqConfig,
        factory="janiform_frequencies.tokenizer:DctVq",
        summary="a codebook over the low frequencies of squares",
    )
    registrar.recipes("janiform_frequencies")
