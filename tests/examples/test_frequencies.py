"""The example of a third party: installed into a fresh environment, swapped into Janus, and taken away again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "janiform-frequencies"
SWAP = (
    "--set",
    'understanding.encoder = { use = "dct", image_size = 384, patch_size = 16 }',
    "--set",
    'generation.tokenizer = { use = "dct-vq", image_size = 384, patch_size = 16, vocabulary = 16384 }',
)

LEARN_AND_DRAW = """
import pathlib, sys, torch
from janiform import Conversation, Model, build_model, dumps, read_recipe
from janiform.compose import compose
from janiform_plugins.objectives.next_token import next_token_losses
from PIL import Image

torch.manual_seed(0)
model = build_model(compose(read_recipe("mini-frequencies")))
model.processor.fit(["a red circle", "what is it?"])
picture = Image.new("RGB", (64, 64), (200, 30, 30))
examples = [Conversation.drawing("a red circle", picture), Conversation.asking("what is it?", picture, answer="red")]
losses = next_token_losses(model, model.processor.collate([model.processor.sequence(example) for example in examples]))
torch.stack([loss.mean for loss in losses.values()]).sum().backward()
assert all(parameter.grad is not None for parameter in model.understanding.encoder.parameters())
drawn = Model(model.eval().requires_grad_(False)).generate("a red circle")[0]
pathlib.Path(sys.argv[1]).write_text(dumps(model.plan.recipe))
print(drawn.size)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of an environment of its own, which sees the packages of this one and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    place = next(folder.glob("lib/python*/site-packages"))
    # `.pth` files of this environment are not followed from there, and an editable janiform is one.
    beside = [sysconfig.get_paths()["purelib"], *(path for path in sys.path if "editable" in path)]
    (place / "beside.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in beside))

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(folder / "bin" / words[0]), *words[1:]], capture_output=True, text=True, check=False)

    def pip(*words: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    program.pip = pip  # type: ignore[attr-defined]
    return program


def test_it_comes_fits_learns_draws_and_goes(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    janiform = ("python", "-m", "janiform")
    before = run(*janiform, "components", "--json").stdout
    assert "janiform-frequencies" not in before
    assert run(*janiform, "check", "mini-frequencies").returncode == 2

    package = shutil.copytree(EXAMPLE, tmp_path / "package")  # pip builds where the sources are
    run.pip("install", "--quiet", "--no-deps", "--no-build-isolation", str(package))  # type: ignore[attr-defined]
    listed = run(*janiform, "components", "--json").stdout
    assert "janiform-frequencies" in listed
    checked = run(*janiform, "check", "mini-frequencies")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    swapped = run(*janiform, "check", "janus-pro-1b", *SWAP)
    assert swapped.returncode == 0, swapped.stdout + swapped.stderr
    resolved = str(tmp_path / "recipe.toml")
    drawn = run("python", "-c", LEARN_AND_DRAW, resolved)
    assert drawn.stdout.strip() == "(64, 64)", drawn.stderr

    tested = run("python", "-m", "pytest", "-q", str(package / "tests"))
    assert tested.returncode == 0, tested.stdout

    run.pip("uninstall", "--quiet", "--yes", "janiform-frequencies")  # type: ignore[attr-defined]
    assert run(*janiform, "components", "--json").stdout == before
    gone = run(*janiform, "check", "janus-pro-1b", *SWAP)
    assert gone.returncode == 1
    assert "no encoder is called 'dct'" in gone.stderr
    assert "no tokenizer is called 'dct-vq'" in gone.stderr
    assert "Traceback" not in gone.stderr
    missed = run(*janiform, "show", resolved)
    assert missed.returncode == 1
    assert missed.stderr.count("it was provided by janiform-frequencies 0.1.0, which is not installed: pip") == 2
