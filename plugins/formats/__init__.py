"""The built-in formats: layouts of model directories."""

from janiform import hookimpl

from .hf.config import HfConfig
from .janiform.config import JaniformConfig
from .official.config import OfficialConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "format",
        "janiform",
        version=1,
        config=JaniformConfig,
        factory="janiform_plugins.formats.janiform.format:JaniformFormat",
        summary="recipe.toml and model.safetensors, as janiform writes them",
    )
    registrar.component(
        "format",
        "official",
        version=1,
        config=OfficialConfig,
        factory="janiform_plugins.formats.official.format:OfficialFormat",
        summary="Janus and Janus-Pro as they are released: config.json of the model_type multi_modality",
    )
    registrar.component(
        "format",
        "hf",
        version=1,
        config=HfConfig,
        factory="janiform_plugins.formats.hf.format:HfFormat",
        summary="Janus in Hugging Face transformers: config.json of the model_type janus",
    )
