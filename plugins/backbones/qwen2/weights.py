"""The names of its tensors in directories of its own."""

from ..decoder.released import released

RELEASED = released("qwen2")
