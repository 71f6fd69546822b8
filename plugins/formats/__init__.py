"""The built-in formats of model directories."""

from janiform import hookimpl

from .config import (
    BagelFormatConfig,
    ChameleonFormatConfig,
    Emu3FormatConfig,
    Emu3OfficialFormatConfig,
    HfConfig,
    JaniformConfig,
    JanusFlowFormatConfig,
    OfficialConfig,
    ShowOFormatConfig,
)


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
        "janusflow",
        version=1,
        config=JanusFlowFormatConfig,
        factory="janiform_plugins.formats.janusflow.format:JanusFlowFormat",
        summary="JanusFlow as it is released, with SDXL's autoencoder in the folder sdxl-vae",
    )
    registrar.component(
        "format",
        "hf",
        version=1,
        config=HfConfig,
        factory="janiform_plugins.formats.hf.format:HfFormat",
        summary="Janus in Hugging Face transformers: config.json with model_type janus",
    )
    registrar.component(
        "format",
        "chameleon",
        version=1,
        config=ChameleonFormatConfig,
        factory="janiform_plugins.formats.chameleon.format:ChameleonFormat",
        summary="Chameleon in Hugging Face transformers: config.json with model_type chameleon",
    )
    registrar.component(
        "format",
        "emu3",
        version=1,
        config=Emu3FormatConfig,
        factory="janiform_plugins.formats.emu3.format:Emu3Format",
        summary="Emu3 in Hugging Face transformers: config.json with model_type emu3",
    )
    registrar.component(
        "format",
        "emu3-official",
        version=1,
        config=Emu3OfficialFormatConfig,
        factory="janiform_plugins.formats.emu3.official:Emu3OfficialFormat",
        summary="Emu3 as it is released: config.json with model_type Emu3, beside the folder Emu3-VisionTokenizer",
    )
    registrar.component(
        "format",
        "bagel",
        version=1,
        config=BagelFormatConfig,
        factory="janiform_plugins.formats.bagel.format:BagelFormat",
        summary="BAGEL as it is released: ema.safetensors, ae.safetensors, llm_config.json and vit_config.json",
    )
    registrar.component(
        "format",
        "show-o",
        version=1,
        config=ShowOFormatConfig,
        factory="janiform_plugins.formats.show_o.format:ShowOFormat",
        summary="Show-o as it is released, beside the folders phi-1_5 and magvitv2",
    )
