"""The public names: complete, lazy, and told apart from private ones in a helpful way."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import janiform
import pytest

NEED_TORCH = (
    {"attention.attend", "contracts.objective", "evaluate.clip", "evaluate.pretrained"}
    | {f"inference.{module}" for module in ("api", "chat", "drawing", "generate", "load", "memory")}
    | {
        f"inference.generate.{module}"
        for module in ("canvas", "draft_window", "engine", "images", "latents", "running", "sampling", "steps")
    }
    | {f"model.{module}" for module in ("auxiliary", "build", "picture_loss", "processor", "unified_model")}
    | {f"sequence.{module}" for module in ("batch", "cache", "codes", "mask", "places", "routes", "runs")}
    | {f"storage.{module}" for module in ("export", "open", "save", "weight_files")}
)
"""The modules whose names may bring torch along. A plugin's registration and config use the names of all others."""


def _reexports() -> dict[str, str]:
    """Name -> module, as written for type checkers."""
    tree = ast.parse(Path(janiform.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert isinstance(block.test, ast.Name)
    assert block.test.id == "TYPE_CHECKING"
    found = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        assert statement.level == 1
        for alias in statement.names:
            assert alias.asname == alias.name, "only `name as name` is a re-export to type checkers"
            found[alias.name] = statement.module
    return found


def test_type_checkers_and_the_interpreter_see_the_same_names() -> None:
    assert _reexports() == janiform._PUBLIC


@pytest.mark.parametrize("name", sorted(janiform._PUBLIC))
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(janiform, name)
    assert value is getattr(sys.modules[f"janiform.{janiform._PUBLIC[name]}"], name)


def test_no_public_name_is_that_of_a_module() -> None:
    """Importing the module would put it in the name's place."""
    clashes = [name for name in janiform._PUBLIC if importlib.util.find_spec(f"janiform.{name}") is not None]
    assert clashes == []


def test_all_and_dir_list_every_public_name() -> None:
    assert set(janiform.__all__) == {*janiform._PUBLIC, "__version__"}
    assert set(janiform.__all__) <= set(dir(janiform))


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="no public name 'Feature'; did you mean 'Features'"):
        janiform.Feature  # noqa: B018
    with pytest.raises(ImportError):
        from janiform import nonsense  # noqa: F401


def test_a_renamed_name_still_works_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(janiform._RENAMED, "Attributes", "Features")
    with pytest.warns(DeprecationWarning, match=r"janiform\.Attributes is now janiform\.Features"):
        assert janiform.Attributes is janiform.Features


def test_no_renamed_name_is_still_public() -> None:
    assert not set(janiform._RENAMED) & set(janiform.__all__)
    assert set(janiform._RENAMED.values()) <= set(janiform.__all__)


def test_names_that_need_no_torch_come_without_it() -> None:
    names = [name for name, module in janiform._PUBLIC.items() if module not in NEED_TORCH]
    assert {"Features", "hookimpl", "registry", "Loss", "JaniformError", "read_recipe", "Span"} <= set(names)
    program = (
        "import json, sys, janiform\n"
        "assert 'torch' not in sys.modules, 'import janiform'\n"
        f"for name in {names!r}:\n"
        "    getattr(janiform, name)\n"
        "    assert 'torch' not in sys.modules, name\n"
        "print(json.dumps(sorted(vars(janiform))))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert set(names) <= set(json.loads(ran.stdout))


def test_the_version_is_that_of_the_distribution() -> None:
    import tomllib

    project = Path(janiform.__file__).resolve().parent.parent / "pyproject.toml"
    if not project.exists():
        pytest.skip("an installed copy has no pyproject.toml beside it")
    assert janiform.__version__ == tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
