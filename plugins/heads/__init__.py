"""The built-in heads: hidden states to the codes or latents of a picture."""

from janiform import hookimpl

from .config import (
    DIFFUSION_PRESETS,
    MAR_HEAD_PRESETS,
    DepthHeadConfig,
    DiffusionHeadConfig,
    LinearHeadConfig,
    MarHeadConfig,
    MlpHeadConfig,
    RegressionHeadConfig,
    SharedHeadConfig,
    UvitHeadConfig,
    ValuesHeadConfig,
)


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "head",
        "mlp",
        version=1,
        config=MlpHeadConfig,
        factory="janiform_plugins.heads.single:MlpHead",
        summary="linear layers with GELU between them; one code per position",
    )
    registrar.component(
        "head",
        "linear",
        version=1,
        config=LinearHeadConfig,
        factory="janiform_plugins.heads.single:LinearHead",
        summary="one matrix; one code per position",
    )
    registrar.component(
        "head",
        "shared",
        version=1,
        config=SharedHeadConfig,
        factory="janiform_plugins.heads.shared:SharedHead",
        summary="codes are ids of the backbone's vocabulary, predicted by its text head, as in Chameleon",
    )
    registrar.component(
        "head",
        "depth",
        version=1,
        config=DepthHeadConfig,
        factory="janiform_plugins.heads.depth:DepthHead",
        summary="a transformer that predicts the levels of a code one by one, as in VILA-U and UniTok",
    )
    registrar.component(
        "head",
        "values",
        version=1,
        config=ValuesHeadConfig,
        factory="janiform_plugins.heads.values:ValuesHead",
        summary="linear layers to the velocity, the noise or the data of every place of a picture",
    )
    registrar.component(
        "head",
        "diffusion",
        version=1,
        config=DiffusionHeadConfig,
        presets=DIFFUSION_PRESETS,
        factory="janiform_plugins.heads.diffusion:DiffusionHead",
        summary="a diffusion for each place of a picture, given the hidden state there, as in MAR",
    )
    registrar.component(
        "head",
        "regression",
        version=1,
        config=RegressionHeadConfig,
        factory="janiform_plugins.heads.regression:RegressionHead",
        summary="linear layers to the latents of the next place, with a cosine loss, as in MetaMorph",
    )
    registrar.component(
        "head",
        "mar",
        version=1,
        config=MarHeadConfig,
        presets=MAR_HEAD_PRESETS,
        factory="janiform_plugins.heads.mar:MarHead",
        released="janiform_plugins.heads.weights:MAR_RELEASED",
        summary="MAR's decoder over states and the vectors of the embedding 'mar', and a diffusion for each place",
    )
    registrar.component(
        "head",
        "uvit",
        version=1,
        config=UvitHeadConfig,
        factory="janiform_plugins.heads.uvit:UvitHead",
        released="janiform_plugins.heads.weights:UVIT_RELEASED",
        summary="ConvNeXt V2 blocks over the states and the features of the embedding 'uvit', as in JanusFlow",
    )
