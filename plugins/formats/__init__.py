"""The built-in formats of model directories."""

from janiform import hookimpl

from .config import HfConfig, JaniformConfig, OfficialConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "format",
        "janiform",
        version=1,
        config=JaniformConfig,
        factory="janiform_plugins.formats.janiform:JaniformFormat",
        summary="recipe.toml and model.safetensors, as janiform writes them",
    )
    registrar.component(
        "format",
        "official",
        version=1,
        config=OfficialConfig,
        factory="janiform_plugins.formats.official.format:OfficialFormat",
        summary="Janus and Janus-Pro as they are released: config.json with model_type multi_modality",
    )
    registrar.component(
        "format",
        "hf",
        version=1,
        config=HfConfig,
        factory="janiform_plugins.formats.hf.format:HfFormat",
        summary="Janus in Hugging Face transformers: config.json with model_type janus",
    )
