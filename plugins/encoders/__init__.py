"""The built-in encoders: pixels to features."""

from janiform import hookimpl

from .clip.config import PRESETS as CLIP_PRESETS
from .clip.config import ClipConfig
from .siglip.config import PRESETS as SIGLIP_PRESETS
from .siglip.config import SiglipConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "encoder",
        "siglip",
        version=1,
        config=SiglipConfig,
        presets=SIGLIP_PRESETS,
        factory="janiform_plugins.encoders.siglip.model:SiglipEncoder",
        summary="vision transformer without a class token, as in SigLIP",
    )
    registrar.component(
        "encoder",
        "clip",
        version=1,
        config=ClipConfig,
        presets=CLIP_PRESETS,
        factory="janiform_plugins.encoders.clip.model:ClipEncoder",
        summary="vision transformer as in CLIP, seen after one of its layers",
    )
