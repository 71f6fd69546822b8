"""A part in another process, where nothing is left of this one: no globals, no caches, no order of a set.

One process serves all cases of a test run. It is started when the first case needs it.
"""

from __future__ import annotations

import atexit
import io
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import IO, Any

import torch
from attrs import evolve
from torch import Tensor

from ..components.component import Component
from .calls import outputs
from .case import Case

HASHES = "7"
"""The seed of hashes there, which order sets of texts. Python draws that of this process, unless it is set."""

SEED = 918_273
"""The seed of torch there while modules are imported."""


def outputs_elsewhere(case: Case, state: dict[str, Tensor], inputs: Tensor) -> dict[str, Tensor] | None:
    """The results of all methods of an instance that is made in another process and takes ``state`` there.

    None for a part that cannot be imported there, such as one that is made in a test. Raises ``RuntimeError`` with a
    sentence where the part fails there.
    """
    try:
        component = evolve(case.component, presets={}) if isinstance(case.component, Component) else case.component
        sent = pickle.dumps((evolve(case, component=component), _saved(state), inputs))
    except Exception:  # a local class or a lambda cannot be pickled, and says so by various exceptions
        return None
    kind, content = _asked(sent)
    return torch.load(io.BytesIO(content)) if kind == "outputs" else None


def called_elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function of the kit in the other process; None where its arguments cannot be imported there.

    Raises ``RuntimeError`` with a sentence where the function fails there.
    """
    kind, content = _asked(pickle.dumps((function, arguments)))
    return pickle.loads(content) if kind == "result" else None


def _asked(sent: bytes) -> tuple[str, Any]:
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _write(process.stdin, pickle.dumps((list(sys.path), torch.get_num_threads(), sent)))
        answer = _read(process.stdout)
    except (BrokenPipeError, EOFError) as error:
        _process.cache_clear()
        raise RuntimeError("the process ended") from error
    kind, content = pickle.loads(answer)
    if kind == "failed":
        raise RuntimeError(content)
    return kind, content


@cache
def _process() -> subprocess.Popen[bytes]:
    code = "import sys; sys.path[:] = sys.argv[1:]; from janiform.testing.other_process import _serve; _serve()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": HASHES},
    )
    atexit.register(process.kill)
    return process


def _serve() -> None:
    """Answer cases from standard input, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a part prints goes to standard error
    torch.manual_seed(SEED)
    while True:
        try:
            path, threads, sent = pickle.loads(_read(sys.stdin.buffer))
        except EOFError:
            return
        sys.path[:] = path
        torch.set_num_threads(threads)
        _write(answers, pickle.dumps(_answer(sent)))


def _answer(sent: bytes) -> tuple[str, Any]:
    try:
        what, *arguments = pickle.loads(sent)
        if not isinstance(what, Case):
            return _called(what, *arguments)
        case, (state, inputs) = what, arguments
        case.component.load()
    except Exception as error:  # any plugin's code runs here
        return "not importable", str(error)
    try:
        module = case.build(instance=2)
        module.load_state_dict(torch.load(io.BytesIO(state)))
        return "outputs", _saved(outputs(case, module, inputs))
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


def _called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "result", pickle.dumps(function(*arguments))
    except (ImportError, AttributeError) as error:  # the part's module is not there
        return "not importable", str(error)
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


def _saved(tensors: dict[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save({name: tensor.detach().clone() for name, tensor in tensors.items()}, file)
    return file.getvalue()


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(struct.pack("<Q", len(content)) + content)
    file.flush()


def _read(file: IO[bytes]) -> bytes:
    header = file.read(8)
    if len(header) < 8:
        raise EOFError
    (size,) = struct.unpack("<Q", header)
    content = file.read(size)
    if len(content) < size:
        raise EOFError
    return content
