"""The built-in visual tokenizers: pixels to codes or latents, and back."""

from janiform import hookimpl

from .config import (
    RVQ_PRESETS,
    TAMING_PRESETS,
    VQ_PRESETS,
    FsqConfig,
    LfqConfig,
    RvqConfig,
    TamingConfig,
    VqConfig,
)
from .features.config import FEATURES_PRESETS, FeaturesConfig
from .kl.config import KL_PRESETS, KlConfig
from .magvit2.config import MAGVIT2_PRESETS, Magvit2Config
from .movq.config import MOVQ_PRESETS, MovqConfig
from .scales_vq.config import ScalesVqConfig
from .siglip_rvq.config import SIGLIP_RVQ_PRESETS, SiglipRvqConfig
from .split_vq.config import SPLIT_VQ_PRESETS, SplitVqConfig
from .tokenflow.config import TOKENFLOW_PRESETS, TokenflowConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "tokenizer",
        "vq",
        version=1,
        config=VqConfig,
        presets=VQ_PRESETS,
        factory="janiform_plugins.tokenizers.vq:VqTokenizer",
        summary="convolutional autoencoder with an L2-normalised codebook, as in LlamaGen",
    )
    registrar.component(
        "tokenizer",
        "taming",
        version=1,
        config=TamingConfig,
        presets=TAMING_PRESETS,
        factory="janiform_plugins.tokenizers.taming:TamingTokenizer",
        released="janiform_plugins.tokenizers.weights:TAMING",
        summary="convolutional autoencoder with a codebook of any lengths, as in taming-transformers and Chameleon",
    )
    registrar.component(
        "tokenizer",
        "movq",
        version=1,
        config=MovqConfig,
        presets=MOVQ_PRESETS,
        factory="janiform_plugins.tokenizers.movq.tokenizer:MovqTokenizer",
        released="janiform_plugins.tokenizers.weights:MOVQ",
        summary="convolutional autoencoder whose decoder's norms read the codes, with layers over time, as in Emu3",
    )
    registrar.component(
        "tokenizer",
        "fsq",
        version=1,
        config=FsqConfig,
        factory="janiform_plugins.tokenizers.fsq:FsqTokenizer",
        summary="convolutional autoencoder with finite scalar quantisation: each channel is rounded to a few levels",
    )
    registrar.component(
        "tokenizer",
        "lfq",
        version=1,
        config=LfqConfig,
        factory="janiform_plugins.tokenizers.lfq:LfqTokenizer",
        summary="convolutional autoencoder with lookup-free quantisation, as in MAGVIT-v2: codes are signs",
    )
    registrar.component(
        "tokenizer",
        "magvit2",
        version=1,
        config=Magvit2Config,
        presets=MAGVIT2_PRESETS,
        factory="janiform_plugins.tokenizers.magvit2.tokenizer:Magvit2Tokenizer",
        released="janiform_plugins.tokenizers.weights:MAGVIT2",
        summary="lookup-free quantisation between an encoder and a decoder with levels of their own, as in Show-o",
    )
    registrar.component(
        "tokenizer",
        "kl",
        version=1,
        config=KlConfig,
        presets=KL_PRESETS,
        factory="janiform_plugins.tokenizers.kl.tokenizer:KlTokenizer",
        released="janiform_plugins.tokenizers.weights:KL",
        summary="convolutional autoencoder with continuous latents, as in latent diffusion, SDXL and FLUX",
    )
    registrar.component(
        "tokenizer",
        "features",
        version=1,
        config=FeaturesConfig,
        presets=FEATURES_PRESETS,
        factory="janiform_plugins.tokenizers.features.tokenizer:FeaturesTokenizer",
        released="janiform_plugins.tokenizers.weights:FEATURES",
        summary="features of a SigLIP as latents, with a decoder of pixels or without, as in MetaMorph",
    )
    registrar.component(
        "tokenizer",
        "rvq",
        version=1,
        config=RvqConfig,
        presets=RVQ_PRESETS,
        factory="janiform_plugins.tokenizers.rvq:RvqTokenizer",
        summary="convolutional autoencoder with residual quantisation, several codes per position, as in RQ-VAE",
    )
    registrar.component(
        "tokenizer",
        "scales-vq",
        version=1,
        config=ScalesVqConfig,
        factory="janiform_plugins.tokenizers.scales_vq.tokenizer:ScalesVqTokenizer",
        summary="convolutional autoencoder with codes of several scales, from coarse to fine, as in VAR",
    )
    registrar.component(
        "tokenizer",
        "split-vq",
        version=1,
        config=SplitVqConfig,
        presets=SPLIT_VQ_PRESETS,
        factory="janiform_plugins.tokenizers.split_vq.tokenizer:SplitVqTokenizer",
        summary="convolutional autoencoder whose vectors are split, each part with a codebook of its own, as in UniTok",
    )
    registrar.component(
        "tokenizer",
        "tokenflow",
        version=1,
        config=TokenflowConfig,
        presets=TOKENFLOW_PRESETS,
        factory="janiform_plugins.tokenizers.tokenflow.tokenizer:TokenflowTokenizer",
        released="janiform_plugins.tokenizers.tokenflow.weights:TOKENFLOW",
        summary="a teacher's features and a VQGAN's latents, whose two codebooks share the index, on several scales",
    )
    registrar.component(
        "tokenizer",
        "siglip-rvq",
        version=1,
        config=SiglipRvqConfig,
        presets=SIGLIP_RVQ_PRESETS,
        factory="janiform_plugins.tokenizers.siglip_rvq.tokenizer:SiglipRvqTokenizer",
        released="janiform_plugins.tokenizers.weights:SIGLIP_RVQ",
        summary="residual codes of SigLIP's features, and a convolutional decoder, as in VILA-U",
    )
