"""How much code of janiform runs on three paths: from recipe to module, from pixel to loss, from prompt to picture.

    python benchmarks/code_paths.py                     # the three paths, a row each
    python benchmarks/code_paths.py --path step         # `janiform train`, and the calls of one more step
    python benchmarks/code_paths.py --path picture --list

module     read janus-mini's recipe, compose it and build the model
loss       read, prepare and batch one sample of each source of janus-mini's last stage; compute losses and gradients
picture    ``Model.generate`` of one picture
step       ``janiform train`` of a short stage; the calls per step are the difference of a longer and a shorter run

*files*: files of janiform (``core``) and of janiform_plugins of which at least one function is entered.
*calls*: how often their functions are entered, as ``sys.setprofile`` reports it: each resumption of a generator counts.
Bodies of modules and classes do not count, nor does code without a file, such as the methods that attrs generates.
*deepest*: the largest number of different files on the call stack at once.
*per unit*: calls per code of the picture while ``generate_codes`` is on the stack: it reads the prompt and samples the
codes, but does not decode them. Of ``step``: calls per step.

Each path runs once before it is counted, so that imports and caches do not count; ``--cold`` counts the first time.
janiform 0.1.0 enters 40 files for a picture, with 158 calls per code on Python 3.11, 156 of them between two codes.
From Python 3.12 on, comprehensions are no calls, which lowers the figures of ``module`` most.

To measure another checkout, put links named janiform, janiform_plugins and janiform_recipes to its folders into a
folder and set PYTHONPATH to that.
"""

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

RECIPE, STAGE, PROMPT = "janus-mini", "stage-3", "a red circle above a blue square"
DEFAULT = ("module", "loss", "picture")
IS_FUNCTION = inspect.CO_OPTIMIZED
"""Set in the code of functions, not in that of modules and classes."""


# Names that janiform does not promise to keep. A refactoring changes these functions only.


def built(recipe: Any) -> Any:
    """Compose a recipe and build its model, in this version or in 0.1.0, with which it is compared."""
    from janiform.compose import compose

    plan = compose(recipe)
    if hasattr(plan, "build"):  # janiform 0.1.0
        return plan.build()
    from janiform.model.build import build_model

    return build_model(plan)


def instance(use: Any, *arguments: Any) -> Any:
    """Build the component that a table of a recipe names."""
    return use.component.load()(use.config, *arguments)


def command(arguments: list[str]) -> None:
    from janiform.cli import main

    if main(arguments):
        raise SystemExit(f"janiform {' '.join(arguments)} failed")


class Counts:
    """Counter of the calls of janiform's functions while it is active; one object counts one stretch of code."""

    def __init__(self, inner: Callable[..., Any] | None = None) -> None:
        import janiform
        import janiform_plugins

        core, plugins = Path(janiform.__file__).parent, Path(next(iter(janiform_plugins.__path__)))
        self.roots = {"core": core, "plugins": plugins}
        self.calls: Counter[CodeType] = Counter()
        self.inside = 0
        self.deepest: list[str] = []
        self._inner = None if inner is None else inspect.unwrap(inner).__code__
        self._within = 0
        self._stack: list[str] = []
        self._on_stack: Counter[str] = Counter()
        self._known: dict[CodeType, str] = {}

    def name_of(self, code: CodeType) -> str:
        """The file of a function below ``core`` or ``plugins``; empty for all other code."""
        name = self._known.get(code)
        if name is None:
            path = Path(code.co_filename)
            root = next((key for key, root in self.roots.items() if path.is_relative_to(root)), None)
            ours = root is not None and code.co_flags & IS_FUNCTION
            name = f"{root}/{path.relative_to(self.roots[root])}" if root is not None and ours else ""
            self._known[code] = name
        return name

    def _event(self, frame: FrameType, event: str, _: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        name = self.name_of(code)
        if not name:
            return
        if event == "call":
            self.calls[code] += 1
            self._within += code is self._inner
            self.inside += self._within > 0
            self._stack.append(name)
            self._on_stack[name] += 1
            if len(self._on_stack) > len(self.deepest):
                self.deepest = list(dict.fromkeys(self._stack))
        elif self._stack:
            self._within -= code is self._inner
            name = self._stack.pop()
            self._on_stack[name] -= 1
            if not self._on_stack[name]:
                del self._on_stack[name]

    def __enter__(self) -> Counts:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def files(self) -> dict[str, Counter[str]]:
        """By file: its functions and how often each was entered."""
        found: dict[str, Counter[str]] = {}
        for code, count in self.calls.items():
            found.setdefault(self.name_of(code), Counter())[code.co_qualname] += count
        return found


def module_path() -> Callable[[], object]:
    import janiform

    return lambda: built(janiform.read_recipe(RECIPE))


def loss_path() -> Callable[[], object]:
    import janiform
    import numpy as np
    import torch

    recipe, model = janiform.read_recipe(RECIPE), janiform.load(RECIPE).model
    stage = recipe.stages[STAGE]
    sources = [instance(recipe.sources[name]) for name, weight in stage.mixture.items() if weight]
    objective = instance(stage.objective, model)
    model.train().requires_grad_(True)

    def go() -> object:
        examples = [source.example(0) for source in sources]
        losses, _ = objective.losses(objective.prepare(examples, np.random.default_rng(0)))
        total = torch.stack([loss.mean for loss in losses.values()]).sum()
        total.backward()
        return total

    return go


def picture_path() -> Callable[[], object]:
    import janiform

    model = janiform.load(RECIPE)
    return lambda: model.generate(PROMPT, seed=1)


def codes_of_a_picture() -> int:
    import janiform

    pathways = janiform.load(RECIPE).model.plan.pathways.values()
    return next(shape.tokens for shape in pathways if shape.mode == "draw")


def step_path(steps: int) -> Callable[[], object]:
    """``janiform train`` of a short stage, in this process and with batches made in it."""
    overrides = ["warmup=0", f"steps={steps}", "batch=4", "log_every=1"]
    options = [argument for override in overrides for argument in ("--set", f"stage.stage-1.{override}")]

    def go() -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = str(Path(folder) / "run")
            command(
                ["train", RECIPE, "--out", out, "--stages", "stage-1", "--workers", "0", "--device", "cpu", *options]
            )

    return go


def counted(path: Callable[[], object], *, cold: bool, inner: Callable[..., Any] | None = None) -> Counts:
    if not cold:
        path()
    with Counts(inner) as counts:
        path()
    return counts


def measure(name: str, cold: bool) -> dict[str, Any]:
    """Count one path. A process should count one path only: each warms caches of the others."""
    unit: str | None = None
    per_unit: float | None = None
    if name == "picture":
        import janiform

        path, codes = picture_path(), codes_of_a_picture()
        counts = counted(path, cold=cold, inner=janiform.generate_codes)
        unit, per_unit = "code", counts.inside / codes
    elif name == "step":
        few, more = 2, 6
        less, counts = counted(step_path(few), cold=cold), counted(step_path(more), cold=True)
        unit, per_unit = "step", (counts.calls.total() - less.calls.total()) / (more - few)
    else:
        counts = counted({"module": module_path, "loss": loss_path}[name](), cold=cold)
    files = counts.files()

    def of(root: str) -> list[str]:
        return [file for file in files if file.startswith(f"{root}/")]

    return {
        "path": name,
        "cold": cold,
        "janiform": str(counts.roots["core"]),
        "files": {root: len(of(root)) for root in counts.roots},
        "calls": {root: sum(files[file].total() for file in of(root)) for root in counts.roots},
        "unit": unit,
        "per_unit": None if per_unit is None else round(per_unit, 1),
        "deepest": counts.deepest,
        "functions": {
            file: dict(files[file].most_common()) for file in sorted(files, key=lambda file: _rank(files, file))
        },
    }


def _rank(files: dict[str, Counter[str]], file: str) -> tuple[int, str]:
    return -files[file].total(), file


def table(results: list[dict[str, Any]]) -> str:
    rows = [("path", "files", "core", "plugins", "calls", "core", "plugins", "per unit", "deepest")]
    for result in results:
        files, calls = result["files"], result["calls"]
        per_unit = "" if result["unit"] is None else f"{result['per_unit']:.1f} / {result['unit']}"
        numbers = [sum(files.values()), *files.values(), sum(calls.values()), *calls.values()]
        rows.append((result["path"], *map(str, numbers), per_unit, str(len(result["deepest"]))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in cells)
        for cells in (list(enumerate(zip(row, widths, strict=True))) for row in rows)
    )


def listing(result: dict[str, Any]) -> str:
    lines = [
        f"\n{result['path']}: {sum(result['files'].values())} files; deepest stack: {' > '.join(result['deepest'])}"
    ]
    for file, functions in result["functions"].items():
        lines.append(f"  {sum(functions.values()):>7}  {file}")
        lines += [f"  {count:>7}      {name}" for name, count in functions.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", choices=(*DEFAULT, "step"), help="Path to count; all but step by default.")
    parser.add_argument("--cold", action="store_true", help="Count the first time instead of the second.")
    parser.add_argument("--list", action="store_true", help="Print each file and its functions, with their calls.")
    parser.add_argument("--json", action="store_true", help="Print everything as JSON.")
    arguments = parser.parse_args()
    if arguments.path:
        results = [measure(arguments.path, arguments.cold)]
    else:
        cold = ["--cold"] if arguments.cold else []
        commands = [[sys.executable, __file__, "--path", name, "--json", *cold] for name in DEFAULT]
        results = [
            json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)[0]
            for command in commands
        ]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{results[0]['janiform']}, Python {sys.version.split()[0]}, {'first' if arguments.cold else 'second'} time")
    print(table(results))
    for result in results if arguments.list else ():
        print(listing(result))


if __name__ == "__main__":
    main()
