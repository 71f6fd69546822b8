"""Models of transformers from folders that users name: nothing is downloaded, and no code beside weights is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from janiform import ComponentError, Problem, UsageError, files_digest, read_json

EXTRA = "install it with: pip install 'janiform[transformers]'"


def library() -> Any:
    """The package transformers. Raises ``ComponentError`` where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise ComponentError(Problem(f"the library transformers cannot be imported: {error}", hint=EXTRA)) from error
    return transformers


def model_type(folder: Path, what: str, types: Sequence[str]) -> str:
    """The type in a folder's config.json, which must be one of ``types``. Raises ``UsageError``.

    ``what`` names the model in errors, such as "detector".
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder '{folder}', expected the folder of the {what}, with config.json and weights"
        )
    if not (folder / "config.json").is_file():
        raise UsageError(f"'{folder}' has no config.json, expected the folder of a model of transformers as the {what}")
    stated = read_json(folder / "config.json").get("model_type")
    if stated not in types:
        raise UsageError(f"'{folder}' holds a model of type {stated!r}, expected as the {what}: {', '.join(types)}")
    return str(stated)


def loaded(class_name: str, folder: Path, device: str) -> Any:
    """A model, processor or tokenizer of a class of transformers; a model is in evaluation mode on the device."""
    chosen = getattr(library(), class_name)
    try:
        made = chosen.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises errors of any type for files that are missing or damaged
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"'{folder}' cannot be read by transformers' {class_name}: {reason}") from error
    return made.eval().to(device) if isinstance(made, torch.nn.Module) else made


def usable_device(device: str) -> str:
    """The device that is meant by "auto": a GPU where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("judge_device is cuda, but this machine has no CUDA device")
    return device


def facts(folder: Path, kind: str, device: str) -> dict[str, Any]:
    """What identifies a model of transformers: its type, its folder's name, and the digest of its weights."""
    weights = sorted(file for file in folder.iterdir() if file.suffix in (".safetensors", ".bin"))
    return {
        "model": kind,
        "folder": folder.resolve().name,
        "weights_sha256": files_digest(weights),
        "device": device,
        "transformers": library().__version__,
    }
