"""Where examples come from: files of the usual layouts, as endless random-access streams."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .conversations.config import ConversationsConfig
from .image_folder.config import ImageFolderConfig
from .text.config import TextConfig
from .webdataset.config import WebDatasetConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "source",
        "webdataset",
        config=WebDatasetConfig,
        factory="janiform_plugins.sources.webdataset.source:WebDataset",
        summary="tar shards of pictures with captions, or with JSON, as WebDataset writes them",
    )
    registrar.component(
        "source",
        "conversations",
        config=ConversationsConfig,
        factory="janiform_plugins.sources.conversations.source:Conversations",
        summary="conversations about pictures in a folder, as JSON of LLaVA's layout",
    )
    registrar.component(
        "source",
        "text",
        config=TextConfig,
        factory="janiform_plugins.sources.text.source:Text",
        summary="documents to read, a JSON record each",
    )
    registrar.component(
        "source",
        "image-folder",
        config=ImageFolderConfig,
        factory="janiform_plugins.sources.image_folder.source:ImageFolder",
        summary="pictures in a folder for each class, as ImageNet's; captions are the names of the classes",
    )
