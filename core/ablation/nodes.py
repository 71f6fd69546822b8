"""Finished stages, kept by their keys, so that cells and studies that have a stage in common train it once.

    nodes/KEY/node.json                       the key's content, where it was trained, digests of the files
    nodes/KEY/understanding.encoder.safetensors    each part that the stage changed, in float32

A node appears whole or not at all. While a process trains one it holds a lock, which the system releases when it ends.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, frozen
from safetensors.torch import load_file, save_file
from torch import nn

from ..errors import Problem, StorageError
from ..model.unified_model import UnifiedModel
from ..storage.atomic import explained, new_folder
from ..storage.digest import file_digest
from ..storage.json_files import read_json, structured, write_json
from ..storage.tensors import tensors_of
from ..train.run.nodes import NodeFacts
from .keys import StageKey

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FACTS = "node.json"


@frozen
class StoredNode:
    """A node on disk. ``beside``: versions and hardware that the key does not hold. ``files``: SHA-256 by name."""

    folder: Path
    facts: NodeFacts
    beside: Mapping[str, Any]
    files: Mapping[str, str]


class NodeStore:
    """The nodes in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: StageKey) -> StoredNode | None:
        """The node of a key; None where there is none. A damaged one is moved aside, and counts as none."""
        folder = self.folder / key.digest
        if not (folder / _FACTS).is_file():
            return None
        try:
            content = read_json(folder / _FACTS)
            node = StoredNode(
                folder,
                structured(content["facts"], NodeFacts),
                structured(content["beside"], dict[str, Any]),
                structured(content["files"], dict[str, str]),
            )
            wrong = [name for name, digest in node.files.items() if file_digest(folder / name) != digest]
        except (StorageError, ValueError, KeyError, OSError) as error:
            wrong = [str(error)]
        if wrong:
            self._move_aside(folder)
            return None
        if content["key"] != _plain(key.content):
            raise StorageError(Problem(f"{folder} has the key of another stage", hint="delete the folder"))
        return node

    def _move_aside(self, folder: Path) -> None:
        number = 1
        while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
            number += 1
        with explained("rename", folder):
            folder.rename(aside)

    @contextlib.contextmanager
    def lock(self, key: StageKey, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of a key; ``waiting`` is called once where another process holds it."""
        with explained("write", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / f"{key.digest}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    waiting()
                    fcntl.flock(file, fcntl.LOCK_EX)
                except OSError:  # a file system without locks: two processes may train one node, to equal weights
                    pass
            yield
        finally:
            os.close(file)

    def locked(self, digest: str) -> bool:
        """Whether a process trains the node of a digest now."""
        path = self.folder / f"{digest}.lock"
        if fcntl is None or not path.exists():
            return False
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(file)
        return False

    def write(self, key: StageKey, parts: Mapping[str, nn.Module], facts: NodeFacts, beside: Mapping[str, Any]) -> None:
        """Store a finished stage. Raises ``StorageError``."""
        with new_folder(self.folder / key.digest) as folder:
            for path, part in parts.items():
                tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors_of(part).items()}
                save_file(tensors, folder / f"{path}.safetensors")
            files = {file.name: file_digest(file) for file in sorted(folder.iterdir())}
            content = {"key": _plain(key.content), "facts": asdict(facts), "beside": dict(beside), "files": files}
            write_json(folder / _FACTS, content)


def fill(model: UnifiedModel, node: StoredNode) -> None:
    """Put the parts of a node into a model. Raises ``StorageError`` where they are not the model's."""
    for name in node.files:
        path = name.removesuffix(".safetensors")
        targets = tensors_of(model.part(path))
        with explained("read", node.folder / name):
            values = load_file(node.folder / name)
        if values.keys() != targets.keys() or any(values[key].shape != targets[key].shape for key in targets):
            raise StorageError(Problem(f"{node.folder / name} does not hold the part '{path}' of this model"))
        for key, target in targets.items():
            target.data.copy_(values[key])


def _plain(content: Any) -> Any:
    """Plain data as JSON gives it back: tuples are lists."""
    if isinstance(content, Mapping):
        return {str(name): _plain(value) for name, value in content.items()}
    return [_plain(value) for value in content] if isinstance(content, list | tuple) else content
