"""Pictures with captions as conversations, and pictures in members of shards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from janiform import Conversation, PictureError, SampleError, read_picture
from PIL import Image

from .config import CaptionedConfig
from .shards import Member

EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "jp2", "avif")
"""File extensions of pictures, in lower case."""


def captioned(config: CaptionedConfig, index: int, picture: Image.Image, caption: str) -> Conversation:
    """A picture to draw for its caption, or to look at and describe, depending on the task."""
    if config.task == "draw":
        return Conversation.drawing(caption, picture, config.pathway or "generation")
    question = choose(config.questions, config.seed, index)
    return Conversation.asking(question, picture, answer=caption, pathway=config.pathway or "understanding")


def choose(texts: Sequence[str], seed: int, index: int) -> str:
    """One of several texts, determined by seed and index."""
    return texts[0] if len(texts) == 1 else texts[int(np.random.default_rng((seed, index)).integers(len(texts)))]


def is_picture(extension: str) -> bool:
    """Whether an extension is that of a picture: ``jpg``, or ``left.jpg`` in a sample with several pictures."""
    return extension.rpartition(".")[2] in EXTENSIONS


def picture_of(member: Member) -> Image.Image:
    """The picture in a member of a shard. Raises ``SampleError`` where it cannot be read."""
    data = member.read()
    try:
        return read_picture(data)
    except PictureError as error:
        message = str(error).removeprefix("the picture ")
        raise SampleError(f"{member.name} {message}", error.kind) from None
