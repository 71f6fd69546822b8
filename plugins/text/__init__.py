"""The built-in text tokenizers: strings to ids and back."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import BpeConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "text",
        "bpe",
        config=BpeConfig,
        factory="janiform_plugins.text.bpe:BpeTokenizer",
        summary="byte-level BPE from a tokenizer.json, or learned from the training text",
    )
