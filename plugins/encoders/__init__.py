"""The built-in encoders: pixels to features."""

from janiform import hookimpl

from .config import (
    CLIP_PRESETS,
    DINOV2_PRESETS,
    SIGLIP_PRESETS,
    ClipConfig,
    Dinov2Config,
    PatchesConfig,
    SiglipConfig,
)


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "encoder",
        "siglip",
        version=1,
        config=SiglipConfig,
        presets=SIGLIP_PRESETS,
        factory="janiform_plugins.encoders.siglip:SiglipEncoder",
        released="janiform_plugins.encoders.weights:SIGLIP",
        summary="vision transformer without a class token, as in SigLIP",
    )
    registrar.component(
        "encoder",
        "clip",
        version=1,
        config=ClipConfig,
        presets=CLIP_PRESETS,
        factory="janiform_plugins.encoders.clip:ClipEncoder",
        released="janiform_plugins.encoders.weights:CLIP",
        summary="vision transformer as in CLIP; features are taken after one of its layers",
    )
    registrar.component(
        "encoder",
        "dinov2",
        version=1,
        config=Dinov2Config,
        presets=DINOV2_PRESETS,
        factory="janiform_plugins.encoders.dinov2:Dinov2Encoder",
        released="janiform_plugins.encoders.weights:DINOV2",
        summary="vision transformer as in DINOv2, with or without registers",
    )
    registrar.component(
        "encoder",
        "patches",
        version=1,
        config=PatchesConfig,
        factory="janiform_plugins.encoders.patches:PatchEncoder",
        summary="one linear map of each patch's pixels instead of an encoder, as in Fuyu",
    )
