"""Models of transformers from folders that users name: nothing is downloaded, and no code beside weights is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import ComponentError, Problem, UsageError
from ..model.meta import list_anew
from ..storage.digest import files_digest
from ..storage.json_files import read_json

_EXTRA = "install it with: pip install 'janiform[transformers]'"


def pretrained_type(folder: Path, what: str, types: Sequence[str]) -> str:
    """The type of the model in a folder by its config.json, which must be one of ``types``. Raises ``UsageError``.

    ``what`` is what the model is needed as, such as "CLIP model".
    """
    if not folder.is_dir():
        raise UsageError(
            f"the folder '{folder}' does not exist; expected that of the {what}, with config.json and weights"
        )
    if not (folder / "config.json").is_file():
        raise UsageError(f"'{folder}' has no config.json, expected the folder of a model of transformers as the {what}")
    stated = read_json(folder / "config.json").get("model_type")
    if stated not in types:
        raise UsageError(f"'{folder}' holds a model of type '{stated}', expected as the {what}: {', '.join(types)}")
    return str(stated)


def load_pretrained(class_names: str | Sequence[str], folder: Path, device: str) -> Any:
    """An object of the first of these classes that transformers has; a model is in evaluation mode on the device.

    Raises ``ComponentError`` where transformers is not installed, and ``UsageError`` where the folder does not fit.
    """
    try:
        import transformers
    except ImportError as error:
        message = f"the library transformers cannot be imported: {error}"
        raise ComponentError(Problem(message, hint=_EXTRA)) from error
    names = [class_names] if isinstance(class_names, str) else class_names
    chosen = next(getattr(transformers, name) for name in names if hasattr(transformers, name))
    try:
        made = chosen.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library raises errors of any type for files that are missing or damaged
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"'{folder}' cannot be read by transformers' {chosen.__name__}: {reason}") from error
    finally:
        list_anew()
    return made.eval().to(device) if isinstance(made, torch.nn.Module) else made


def pretrained_facts(folder: Path, kind: str, device: str) -> dict[str, Any]:
    """What identifies a model of transformers: its type, its folder's name, and the digest of its weights."""
    import transformers

    weights = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    return {
        "model": kind,
        "folder": folder.resolve().name,
        "weights_sha256": files_digest(weights),
        "device": device,
        "transformers": transformers.__version__,
    }
