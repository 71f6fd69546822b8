"""The built-in encoders: pixels to features."""

from janiform import hookimpl

from .clip.config import PRESETS as CLIP_PRESETS
from .clip.config import ClipConfig
from .dinov2.config import PRESETS as DINOV2_PRESETS
from .dinov2.config import Dinov2Config
from .patches.config import PatchesConfig
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
        released="janiform_plugins.encoders.siglip.weights:RELEASED",
        summary="vision transformer without a class token, as in SigLIP",
    )
    registrar.component(
        "encoder",
        "clip",
        version=1,
        config=ClipConfig,
        presets=CLIP_PRESETS,
        factory="janiform_plugins.encoders.clip.model:ClipEncoder",
        released="janiform_plugins.encoders.clip.weights:RELEASED",
        summary="vision transformer as in CLIP, seen after one of its layers",
    )
    registrar.component(
        "encoder",
        "dinov2",
        version=1,
        config=Dinov2Config,
        presets=DINOV2_PRESETS,
        factory="janiform_plugins.encoders.dinov2.model:Dinov2Encoder",
        released="janiform_plugins.encoders.dinov2.weights:RELEASED",
        summary="vision transformer as in DINOv2, with or without registers",
    )
    registrar.component(
        "encoder",
        "patches",
        version=1,
        config=PatchesConfig,
        factory="janiform_plugins.encoders.patches.model:PatchEncoder",
        summary="no encoder: one linear map of each patch's pixels, as in Fuyu",
    )
