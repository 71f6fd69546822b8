"""The built-in embeddings: codes or latents of a picture to vectors."""

from janiform import hookimpl

from .config import (
    MAR_PRESETS,
    CodebookEmbeddingConfig,
    MarEmbeddingConfig,
    PatchesConfig,
    ScalesConfig,
    SharedEmbeddingConfig,
    TableConfig,
    UvitConfig,
)


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "embedding",
        "table",
        version=1,
        config=TableConfig,
        factory="janiform_plugins.embeddings.table:TableEmbedding",
        summary="a separate table with one learned vector per code, for each level of the codes",
    )
    registrar.component(
        "embedding",
        "codebook",
        version=1,
        config=CodebookEmbeddingConfig,
        factory="janiform_plugins.embeddings.codebook:CodebookEmbedding",
        summary="the vectors of the codes in the tokenizer's own codebook, as in UniTok and VILA-U",
    )
    registrar.component(
        "embedding",
        "shared",
        version=1,
        config=SharedEmbeddingConfig,
        factory="janiform_plugins.embeddings.shared:SharedEmbedding",
        summary="codes are ids of the backbone's vocabulary, embedded by its text table, as in Chameleon",
    )
    registrar.component(
        "embedding",
        "scales",
        version=1,
        config=ScalesConfig,
        factory="janiform_plugins.embeddings.scales:ScalesEmbedding",
        summary="codes of several scales: each scale reads the sum of the coarser ones, as in VAR and TokenFlow",
    )
    registrar.component(
        "embedding",
        "patches",
        version=1,
        config=PatchesConfig,
        factory="janiform_plugins.embeddings.patches:PatchEmbedding",
        summary="latents by one matrix, with the time of pictures that are drawn from noise",
    )
    registrar.component(
        "embedding",
        "mar",
        version=1,
        config=MarEmbeddingConfig,
        presets=MAR_PRESETS,
        factory="janiform_plugins.embeddings.mar:MarEmbedding",
        released="janiform_plugins.embeddings.weights:MAR_RELEASED",
        summary="a ViT over the places that are not hidden, and a buffer behind them, as in MAR and Harmon",
    )
    registrar.component(
        "embedding",
        "uvit",
        version=1,
        config=UvitConfig,
        factory="janiform_plugins.embeddings.uvit:UvitEmbedding",
        released="janiform_plugins.embeddings.weights:UVIT_RELEASED",
        summary="ConvNeXt V2 blocks over latents, with a vector of the time before them, as in JanusFlow",
    )
