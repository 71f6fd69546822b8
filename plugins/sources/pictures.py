"""Pictures with captions as conversations, and pictures out of members of shards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from janiform import Conversation, PictureError, SampleError, read_picture
from PIL import Image

from .settings import CaptionedConfig
from .shards import Member

ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "jp2", "avif")
"""Of files that are pictures, in lower case."""


def captioned(config: CaptionedConfig, index: int, picture: Image.Image, caption: str) -> Conversation:
    """A picture that is drawn for its caption, or one that is asked about, as the settings say."""
    if config.task == "draw":
        return Conversation.drawing(caption, picture, config.pathway or "generation")
    question = chosen(config.questions, config.seed, index)
    return Conversation.asking(question, picture, answer=caption, pathway=config.pathway or "understanding")


def chosen(texts: Sequence[str], seed: int, index: int) -> str:
    """One of several texts, the same for the same seed and index."""
    return texts[0] if len(texts) == 1 else texts[int(np.random.default_rng((seed, index)).integers(len(texts)))]


def is_picture(ending: str) -> bool:
    """Whether a member's ending is that of a picture: ``jpg``, and ``left.jpg`` of a sample with several."""
    return ending.rpartition(".")[2] in ENDINGS


def picture_of(member: Member) -> Image.Image:
    """The picture in a member of a shard. Raises ``SampleError`` where it cannot be read."""
    data = member.read()
    try:
        return read_picture(data)
    except PictureError as error:
        message = str(error).removeprefix("the picture ")
        raise SampleError(f"{member.name} {message}", error.kind) from None
