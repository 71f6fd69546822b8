"""What people see of somebody's plugin that is bad in one way or another, on the real command line.

The plugins of ``tests/core/components/test_loading.py`` say what each mistake is called; here is what reaches the user,
and that the parts of everybody else go on working beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from janiform import read_recipe, registry, save_model
from janiform.cli import main
from janiform.components import loading
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.train.run import preparation as run

Capture = pytest.CaptureFixture[str]
Install = Callable[..., Path]

REGISTERS = """
@hookimpl
def janiform_register(registrar):
    registrar.component("encoder", "odd", config=Config, factory="fake_plugin_odd:make", summary="Odd.")
"""
MAKES = """
def make(config):
    from torch import nn

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Conv2d(3, config.width, 16, stride=STRIDE, padding=(16 - STRIDE) // 2)

        def forward(self, pixels):
            return self.map(pixels).flatten(2).transpose(1, 2)

    return Odd()

def transform(self):
    from janiform import PadToSquare
    return PadToSquare(16)

Config.transform = transform
"""
CHANGES = ('understanding.encoder = { use = "odd" }', 'understanding.adapter = { use = "mlp" }')
SWAP = ("--set", CHANGES[0], "--set", CHANGES[1])
WHOLE = MAKES.replace("STRIDE", "16") + REGISTERS


def said(capsys: Capture, *arguments: str, code: int = 0) -> str:
    """Everything that a command prints, on lines as long as they come."""
    capsys.readouterr()
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return out + err


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck ("),
        (REGISTERS + REGISTERS.partition("registrar):\n")[2], "encoder 'odd': 'odd@1' is registered twice"),
        (
            REGISTERS.replace("janiform_register", "janiform_registr"),
            "there is no hook 'janiform_registr' (did you mean 'janiform_register'?)",
        ),
        (
            "from janiform import Wavelets" + REGISTERS,
            "this is janiform 0.1.0, and the plugin may have been written for another",
        ),
    ],
    ids=["raises", "registers twice", "misspells its hook", "wants a name that janiform lacks"],
)
def test_a_broken_plugin_is_explained_and_harms_nobody(
    code: str, sentence: str, install: Install, capsys: Capture
) -> None:
    install("odd", code)
    listed = said(capsys, "plugins")
    assert "plugin 'odd' (janiform-odd 1.0) is broken" in listed
    assert sentence in listed
    assert 'use = "siglip@1"' in said(capsys, "show", "janus-mini")
    needed = said(capsys, "show", "janus-mini", *SWAP, code=1)
    assert "understanding.encoder.use: no encoder is called 'odd'" in needed
    assert "plugin 'odd' (janiform-odd 1.0) is broken and may provide it" in needed


def test_a_slow_plugin_is_named_to_whoever_waited(
    install: Install, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 10))
    install("odd", "import sys; sys.modules['torch'] = sys" + REGISTERS)
    with monkeypatch.context() as patch:
        patch.setattr(loading, "perf_counter", lambda: next(clock))  # it has nothing better to do than to be slow
        patch.delitem(sys.modules, "torch")
        registry()
    for command in (("plugins",), ("components",), ("check", "no-such-recipe")):
        capsys.readouterr()
        main(command)
        note = capsys.readouterr().err.splitlines()[-1]
        assert note == (
            "note: plugin 'odd' (janiform-odd 1.0) took 10.0 s to load, which delays every command (it imports "
            "torch, which belongs in the modules of its factories; disable it with --disable-plugin janiform-odd)"
        )
    assert "took" not in said(capsys, "--disable-plugin", "odd", "plugins")


def test_ctrl_c_says_what_was_waited_for(install: Install, capsys: Capture) -> None:
    install("odd", "raise KeyboardInterrupt")
    assert (
        "stopped while loading plugin 'odd' (janiform-odd 1.0) (disable it with --disable-plugin janiform-odd)"
        in said(capsys, "components", code=130)
    )


def test_a_name_that_is_taken_is_used_by_nobody_until_it_is_settled(install: Install, capsys: Capture) -> None:
    install("odd", REGISTERS.replace('"odd", config', '"siglip", config'))
    claim = (
        "encoder 'siglip@1' is registered by plugin 'encoders' (janiform 0.1.0) and by plugin 'odd' (janiform-odd "
        "1.0), so neither is used"
    )
    assert claim in said(capsys, "plugins")
    refused = said(capsys, "show", "janus-mini", code=1)
    assert f"understanding.encoder.use: {claim}" in refused
    assert "disable it: JANIFORM_DISABLE_PLUGINS=janiform-odd" in refused
    assert 'use = "siglip@1"' in said(capsys, "--disable-plugin", "odd", "show", "janus-mini")


@pytest.mark.parametrize("requirement", ["janiform>=0.9", "janiform[xformers]<0.1", "Janiform (>=1.0a1)"])
def test_a_plugin_for_another_janiform_says_which(requirement: str, install: Install, capsys: Capture) -> None:
    place = install("odd", "raise RuntimeError('it was imported')" + REGISTERS)
    metadata = place / "janiform_odd-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + f"Requires-Dist: attrs\nRequires-Dist: {requirement}\n")
    registry.cache_clear()
    listed = said(capsys, "plugins")
    assert "plugin 'odd' (janiform-odd 1.0) is broken\n  it needs janiform " in listed
    assert ", but this is janiform 0.1.0 (pip install 'janiform" in listed
    assert "it was imported" not in listed
    assert 'use = "siglip@1"' in said(capsys, "show", "janus-mini")


@pytest.mark.parametrize("requirement", ["janiform>=0.1", "janiform", "janiform!!", "janiform-odder>=9",
                                         'janiform>=9; extra == "later"'])  # fmt: skip
def test_a_plugin_that_this_janiform_suits_is_loaded(requirement: str, install: Install, capsys: Capture) -> None:
    place = install("odd", REGISTERS)
    metadata = place / "janiform_odd-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + f"Requires-Dist: {requirement}\n")
    registry.cache_clear()
    assert json.loads(said(capsys, "plugins", "--json"))["plugins"][-1]["error"] is None


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "def make(config): return 'a text'",
            "the factory of encoder odd@1, from plugin 'odd' (janiform-odd 1.0), gave str, not a torch.nn.Module",
        ),
        (
            "def make(config): return 1 / 0",
            "the factory of encoder odd@1, from plugin 'odd' (janiform-odd 1.0), failed: ZeroDivisionError",
        ),
        (
            MAKES.replace("STRIDE", "8"),
            "odd@1, from plugin 'odd' (janiform-odd 1.0), declares features [B, 1, 8], but forward of its module "
            "returns [1, 4, 8], expected [1, 1, 8]",
        ),
    ],
    ids=["another type", "fails", "breaks its port"],
)
def test_a_part_that_is_not_what_it_says_is_found_by_check(
    code: str, sentence: str, install: Install, capsys: Capture
) -> None:
    install("odd", code + REGISTERS)
    assert f"understanding.encoder: {sentence}" in said(capsys, "check", "janus-mini", *SWAP, code=1)


def test_a_part_that_breaks_its_port_is_not_trained(install: Install, tmp_path: Path, capsys: Capture) -> None:
    install("odd", MAKES.replace("STRIDE", "8") + REGISTERS)
    out = str(tmp_path / "run")
    refused = said(capsys, "train", "janus-mini", "--out", out, *SWAP, "--stages", "stage-1", code=1)
    assert "declares features [B, 1, 8], but forward of its module returns [1, 4, 8]" in refused


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            "source",
            "the factory of source nothing@1, from plugin 'odd' (janiform-odd 1.0), gave dict, which lacks example",
        ),
        ("objective", "gave dict, which lacks losses, prepare; see Objective in janiform.contracts"),
    ],
)
def test_what_is_no_part_of_a_model_is_looked_at_too(
    kind: str, sentence: str, install: Install, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "TEXTS_TO_FIT", 5)
    registers = REGISTERS.replace('"encoder", "odd"', f'"{kind}", "nothing"').replace("odd:make", "odd:nothing")
    install("odd", "def nothing(config, model=None): return {}" + registers)
    change = {
        "source": 'source.draw = { use = "nothing" }',
        "objective": 'stage.stage-1.objective = { use = "nothing" }',
    }
    arguments = ("train", "janus-mini", "--out", str(tmp_path / "run"), "--stages", "stage-1", "--set", change[kind])
    assert sentence in said(capsys, *arguments, code=1)


def test_a_model_whose_plugin_is_gone_says_what_it_was(install: Install, tmp_path: Path, capsys: Capture) -> None:
    place = install("odd", WHOLE, distribution="janiform-mycodec", version="0.3.1")
    model = build_model(compose(read_recipe("janus-mini", list(CHANGES))))
    model.processor.fit(["a red circle"] * 3)
    folder = save_model(model, tmp_path / "model")
    assert '"encoder odd@1" = "janiform-mycodec 0.3.1"' in (folder / "recipe.toml").read_text()
    assert said(capsys, "show", str(folder / "recipe.toml")).count("janiform-mycodec 0.3.1") == 1
    off = said(capsys, "--disable-plugin", "odd", "ask", str(folder), "what?", code=1)
    assert "it was provided by janiform-mycodec 0.3.1, which is disabled" in off

    info = place / "janiform_mycodec-0.3.1.dist-info"
    info = info.rename(place / "janiform_mycodec-0.5.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: janiform-mycodec\nVersion: 0.5.0\n")
    (place / "fake_plugin_odd.py").write_text(
        "from janiform import hookimpl\n@hookimpl\ndef janiform_register(registrar): ...\n"
    )
    sys.modules.pop("fake_plugin_odd")
    registry.cache_clear()
    other = said(capsys, "show", str(folder / "recipe.toml"), code=1)
    assert "it was provided by janiform-mycodec 0.3.1, but janiform-mycodec 0.5.0 is installed" in other

    (info / "entry_points.txt").unlink()
    registry.cache_clear()
    for command in (
        ("ask", str(folder), "what?"),
        ("train", str(folder / "recipe.toml"), "--out", str(tmp_path / "b")),
    ):
        gone = said(capsys, *command, code=1)
        assert "understanding.encoder.use: no encoder is called 'odd'" in gone
        assert (
            "it was provided by janiform-mycodec 0.3.1, which is not installed: pip install 'janiform-mycodec==0.3.1'"
            in gone
        )
