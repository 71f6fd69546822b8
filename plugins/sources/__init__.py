"""The built-in sources: files in common formats, as endless random-access streams of examples."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import CaptionsConfig, ConversationsConfig, ImageFolderConfig, TextConfig, WebDatasetConfig
from .shapes.config import ShapesConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "source",
        "shapes",
        config=ShapesConfig,
        factory="janiform_plugins.sources.shapes.source:Shapes",
        summary="64×64 pictures of coloured shapes, rendered on demand: captions, questions or texts about them",
    )
    registrar.component(
        "source",
        "webdataset",
        config=WebDatasetConfig,
        factory="janiform_plugins.sources.webdataset:WebDataset",
        summary="tar shards of pictures with captions or JSON, in WebDataset's format",
    )
    registrar.component(
        "source",
        "conversations",
        config=ConversationsConfig,
        factory="janiform_plugins.sources.conversations:Conversations",
        summary="conversations about pictures, in the formats of LLaVA, OpenAI, transformers, Janus and ms-swift",
    )
    registrar.component(
        "source",
        "captions",
        config=CaptionsConfig,
        factory="janiform_plugins.sources.captions:Captions",
        summary="pictures with captions, one pair per record of JSON or Parquet",
    )
    registrar.component(
        "source",
        "text",
        config=TextConfig,
        factory="janiform_plugins.sources.text:Text",
        summary="documents, one per record of JSON or Parquet",
    )
    registrar.component(
        "source",
        "image-folder",
        config=ImageFolderConfig,
        factory="janiform_plugins.sources.image_folder:ImageFolder",
        summary="pictures in one folder per class, as in ImageNet; captions are the names of the classes",
    )
