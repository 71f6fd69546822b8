"""The provenance of a model: versions, components, data and the state of the code, as plain data."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...contracts import Source
from ...recipe import Recipe
from ...recipe.write import uses
from ...sequence.conversation import Draw, Look
from ..data.sources import usable

_DIGESTED = 16
"""Examples of a source that its digest covers: enough to distinguish generators, versions and seeds."""


def versions() -> dict[str, str]:
    """The versions of janiform, Python and the packages that it computes with."""
    return {
        "janiform": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numpy", "safetensors", "tokenizers")},
    }


def components(recipe: Recipe) -> dict[str, dict[str, str]]:
    """By path: the component's reference, its plugin, and the plugin's distribution and version."""
    return {
        path: {
            "component": f"{use.kind} {use.reference}",
            "plugin": use.component.plugin,
            "distribution": use.component.distribution,
            "version": use.component.distribution_version,
        }
        for path, use in uses(recipe)
    }


def data_digests(sources: Mapping[str, Source]) -> dict[str, str]:
    """By source: the SHA-256 of the texts and pixels of its first examples."""
    return {name: _digest(source) for name, source in sources.items()}


def _digest(source: Source) -> str:
    digest = hashlib.sha256()
    for conversation in usable(source, _DIGESTED):
        for turn in conversation.turns:
            for piece in turn.content:
                digest.update(f"{turn.role} {type(piece).__name__}\0".encode())
                digest.update(piece.encode() if isinstance(piece, str) else _pixels(piece))
    return digest.hexdigest()


def _pixels(piece: Look | Draw) -> bytes:
    return b"" if piece.picture is None else np.asarray(piece.picture).tobytes()


def git_state() -> dict[str, Any] | None:
    """The working directory's commit and whether it has changes; None outside of a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {
            "commit": commit.strip(),
            "changed": bool(_git("status", "--porcelain", "--untracked-files=no").strip()),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], capture_output=True, check=True, timeout=10)
    return ran.stdout.decode("utf-8", "replace")


def command() -> str:
    """The command line that this process was started with, without the folder of the program."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
