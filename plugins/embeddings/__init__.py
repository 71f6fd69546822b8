"""The built-in embeddings: codes to vectors, the backbone's view of what was drawn."""

from janiform import hookimpl

from .shared.config import SharedEmbeddingConfig
from .table.config import TableConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "embedding",
        "table",
        version=1,
        config=TableConfig,
        factory="janiform_plugins.embeddings.table.model:TableEmbedding",
        summary="a table of its own, one learned vector a code, for each of its levels",
    )
    registrar.component(
        "embedding",
        "shared",
        version=1,
        config=SharedEmbeddingConfig,
        factory="janiform_plugins.embeddings.shared.model:SharedEmbedding",
        summary="codes are ids of the backbone's vocabulary, embedded as its text is, as in Chameleon",
    )
