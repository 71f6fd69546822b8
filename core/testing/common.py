"""Conformance tests of every kind with weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from ..components.kinds import KINDS
from ..ports import Features, Hidden, Latents, Logits, Values
from ..recipe.structure import structure
from .auxiliary import gives_auxiliary_losses
from .calls import apart, call, near, outputs, run, to_decode, training_loss
from .case import ROWS, Case, Failure, require
from .other_process import outputs_elsewhere


def expected_shape(case: Case, rows: int = ROWS) -> tuple[int, ...]:
    """The shape of what ``run`` gives, according to the declared port."""
    port = case.gives
    if case.draws_places:
        return rows, port.tokens  # what a place is drawn from may have any width
    if case.draws_latents_singly:
        return rows, port.width
    if isinstance(port, Features | Values) or (isinstance(port, Latents) and not case.decodes):
        return rows, port.tokens, port.width
    if isinstance(port, Logits):
        return rows, port.vocabulary
    if isinstance(port, Hidden):
        return rows, case.inputs().shape[1], port.width
    return rows, *case.pixels


def gives_the_shape_it_declares(case: Case) -> None:
    """Outputs have the shape of the declared port, for random sizes of the inputs."""
    wanted = expected_shape(case)
    output = run(case, case.build(), case.inputs())
    given = tuple(output.shape)[: len(wanted) if case.draws_places else None]
    require(
        given == wanted,
        f"{case.name}: the config declares {case.gives}, hence {list(wanted)}, but the module gave {list(given)}",
    )
    for method, result in outputs(case, case.build(), case.inputs()).items():
        require(
            result.dtype == (torch.int64 if method == "encode" and not case.has_latents else torch.float32),
            f"{case.name}: in float32 `{method}` gives {result.dtype}; create tensors like its input",
        )


def is_the_same_on_the_meta_device(case: Case) -> None:
    """On the meta device the module has the same tensors, by name and shape, since composition builds it there."""
    real = {name: tuple(tensor.shape) for name, tensor in case.build().state_dict().items()}
    try:
        shell = case.build("meta")
    except Exception as error:
        raise Failure(
            f"{case.name}: cannot be built on the meta device ({type(error).__name__}: {error}); create tensors "
            "without "
            "reading their values, on torch's default device"
        ) from error
    meta = {name: tuple(tensor.shape) for name, tensor in shell.state_dict().items()}
    wrong = sorted(name for name in real.keys() | meta.keys() if real.get(name) != meta.get(name))
    require(not wrong, f"{case.name}: has different tensors on the meta device: {', '.join(wrong)}")
    placed = sorted(name for name, tensor in shell.state_dict().items() if not tensor.is_meta)
    require(not placed, f"{case.name}: {', '.join(placed)} is created on a named device, so it takes memory at once")


def keeps_its_state(case: Case) -> None:
    """Another instance, with other random numbers and the same state dict, gives the same outputs: all state is in it.

    So does one in another process, without the globals and caches of this one, and in training mode the other instance
    has the same losses. The first instance is trained on before its state is taken, since state may also be made there.
    """
    first, second = case.build(), case.build(instance=1)
    training_loss(case, first.train())
    first.eval()
    _require_same_names(case, second, first)
    second.load_state_dict(first.state_dict())
    inputs = case.inputs()
    given = outputs(case, first, inputs)
    _require_same(case, "an instance with another's state dict", outputs(case, second, inputs), given)
    try:
        elsewhere = outputs_elsewhere(case, first.state_dict(), inputs)
    except RuntimeError as error:
        raise Failure(f"{case.name}: fails with its state dict in another process: {error}") from None
    if elsewhere is not None:
        _require_same(case, "an instance in another process with the same state dict", elsewhere, given, 1e-5)
    torch.manual_seed(case.seed)
    learned = training_loss(case, first.train()).detach()
    torch.manual_seed(case.seed)
    again = training_loss(case, second.train()).detach()
    require(
        torch.equal(learned, again),
        f"{case.name}: an instance with another's state dict gives another loss in training mode by "
        f"{apart(again, learned):.1e}, so a resumed run differs; register what it needs as a parameter or buffer, and "
        "draw from torch's global generator",
    )


def _require_same_names(case: Case, new: nn.Module, trained: nn.Module) -> None:
    changed = sorted({*new.state_dict()} ^ {*trained.state_dict()})
    require(
        not changed,
        f"{case.name}: its state has other names in or after training mode ({', '.join(changed)}), so a checkpoint of "
        "training cannot be loaded; keep one set of names",
    )


def _require_same(
    case: Case, which: str, copies: dict[str, Tensor], given: dict[str, Tensor], tolerance: float = 0
) -> None:
    for method, output in given.items():
        copy = copies[method]
        off = f" by {apart(copy, output):.1e}" if copy.shape == output.shape else ""
        require(
            torch.equal(copy, output) or (tolerance > 0 and near(copy, output, tolerance)),
            f"{case.name}: {which} gives other outputs of `{method}`{off}; register what it needs as a parameter or "
            "buffer",
        )


def keeps_the_names_of_its_state(case: Case) -> None:
    """The state dict has the same names in eval and in training mode, before and after a forward."""
    module = case.build()
    names = set(module.state_dict())
    for mode in (True, False):
        module.train(mode)
        training_loss(case, module)
        changed = sorted(names ^ set(module.state_dict()))
        require(
            not changed,
            f"{case.name}: its state has other names {'in' if mode else 'after'} training mode ({', '.join(changed)}), "
            "so a checkpoint of training cannot be loaded; keep one set of names",
        )


def is_deterministic(case: Case) -> None:
    """In eval mode the same input gives the same output, and no random numbers are drawn."""
    for output in repeated_outputs(case).values():
        require(bool(torch.isfinite(output).all()), f"{case.name}: gives values that are not finite")


def repeated_outputs(case: Case) -> dict[str, Tensor]:
    """The outputs of all methods. Raises ``Failure`` unless they are the same twice, without random numbers."""
    module, inputs = case.build(), case.inputs()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = outputs(case, module, inputs)
    require(torch.equal(before, torch.get_rng_state()), f"{case.name}: draws random numbers in eval mode")
    second = outputs(case, module, inputs)
    for method, output in first.items():
        require(
            output.shape == second[method].shape and torch.allclose(output, second[method], 0, 0, equal_nan=True),
            f"{case.name}: `{method}` gives another output for the same input; it draws from a random generator of its "
            "own, or keeps something from one call to the next",
        )
    _keeps_nothing_of_other_inputs(case, inputs, first)
    return first


def _keeps_nothing_of_other_inputs(case: Case, inputs: Tensor, expected: dict[str, Tensor]) -> None:
    """An instance that was first given other inputs, of another size where it may vary, gives the same outputs."""
    module, others = case.build(), case.inputs(1).flip(1)
    if case.kind == "backbone":
        others = others[:, :3]
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    outputs(case, module, others * 2 if others.is_floating_point() else others)
    changed = sorted(name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name]))
    require(
        not changed,
        f"{case.name}: a call in eval mode changes {', '.join(changed)} of its state, so that using a model changes "
        "its weights; do so in training mode only",
    )
    for method, output in outputs(case, module, inputs).items():
        require(
            torch.equal(output, expected[method]),
            f"{case.name}: `{method}` gives another output after a call with other inputs; keep nothing from one call "
            "to the next",
        )


def resumes_in_training(case: Case) -> None:
    """In training, an instance with another's state dict and torch's random state computes the same loss.

    A resumed run depends on it. A generator of the part's own, or of its module, is in neither.
    """
    first, second = case.build().train(), case.build(instance=1).train()
    training_loss(case, first)
    _require_same_names(case, second, first)
    second.load_state_dict(first.state_dict())
    losses = []
    for module in (first, second):
        torch.manual_seed(case.seed)
        losses.append(training_loss(case, module).detach())
    require(
        torch.equal(*losses),
        f"{case.name}: in training, an instance with another's state dict gives another loss for the same input and "
        "random state of torch, so a resumed run differs; draw from torch's default generator instead of one of its "
        "own, and keep what it collects in buffers",
    )


def gives_finite_outputs_for_flat_inputs(case: Case) -> None:
    """Pictures of one colour, and vectors of zeros, give finite outputs."""
    module = case.build()
    for what, inputs in case.extremes():
        for method, output in outputs(case, module, inputs).items():
            require(
                bool(torch.isfinite(output).all()),
                f"{case.name}: for {what} `{method}` gives values that are not finite; do not divide by a deviation "
                "without a small constant",
            )


def treats_rows_independently(case: Case) -> None:
    """Each row's output is independent of the rest of the batch."""
    module, inputs = case.build(), case.inputs()
    together = run(case, module, inputs)
    if case.decodes:
        drawn = to_decode(case, module, ROWS)
        alone = torch.cat([call(case, module, "decode", drawn[row : row + 1]) for row in range(ROWS)])
    else:
        alone = torch.cat([run(case, module, inputs[row : row + 1], row) for row in range(ROWS)])
    require(
        near(together, alone, 1e-5),
        f"{case.name}: the output of a row changes by {apart(together, alone):.1e} with the rest of the batch; compute "
        "nothing over the batch in eval mode",
    )


def gives_gradients_to_every_parameter(case: Case) -> None:
    """Gradients reach every parameter in training, and none where the part is frozen."""
    module = case.build()
    module.train().requires_grad_(True)
    loss = training_loss(case, module)
    require(loss.requires_grad, f"{case.name}: its output has no gradient; something in it is detached")
    loss.backward()  # type: ignore[no-untyped-call]
    named = dict(module.named_parameters())
    idle = sorted(name for name, parameter in named.items() if parameter.grad is None)
    require(not idle, f"{case.name}: no gradient reaches {', '.join(idle)}; remove it, or make it a buffer")
    broken = sorted(name for name, p in named.items() if p.grad is not None and not torch.isfinite(p.grad).all())
    require(not broken, f"{case.name}: the gradient of {', '.join(broken)} is not finite")
    frozen = case.build()
    inputs = case.inputs()
    if inputs.is_floating_point():
        inputs.requires_grad_(True)
    output = run(case, frozen, inputs)
    if output.requires_grad:  # through the inputs, as from an earlier part that is trained
        output.sum().backward()  # type: ignore[no-untyped-call]
    require(
        all(parameter.grad is None and not parameter.requires_grad for parameter in frozen.parameters()),
        f"{case.name}: a frozen part got gradients; leave requires_grad to the stage",
    )


def computes_in_bfloat16(case: Case) -> None:
    """Cast to bfloat16 the part gives bfloat16, close to its float32 output; it also runs under autocast."""
    inputs = case.inputs()
    exact = run(case, case.build(), inputs)
    half = case.build(dtype=torch.bfloat16)
    given = run(case, half, inputs.to(torch.bfloat16) if inputs.is_floating_point() else inputs)
    require(given.dtype == torch.bfloat16, f"{case.name}: cast to bfloat16 it gives {given.dtype}")
    require(
        near(given.float(), exact, 0.1),
        f"{case.name}: in bfloat16 its output differs from float32 by {apart(given.float(), exact):.1e} of the "
        "largest value",
    )
    with torch.autocast("cpu", torch.bfloat16):
        results = outputs(case, case.build(), inputs)
    for method, result in results.items():
        require(
            result.dtype in (torch.bfloat16, torch.float32) or (method == "encode" and not case.has_latents),
            f"{case.name}: under autocast `{method}` gives {result.dtype}, expected bfloat16 or float32",
        )
    mixed = next(iter(results.values()))
    require(near(mixed.float(), exact, 0.1), f"{case.name}: under autocast its output differs from float32")


def compiles_without_graph_breaks_where_declared(case: Case) -> None:
    """A module class with ``compiles = True`` has no graph breaks."""
    module = case.build()
    if not getattr(type(module), "compiles", False):
        return
    inputs = case.inputs()
    plain = run(case, module, inputs)
    torch._dynamo.reset()  # it gives up on a function that was compiled for many sizes, as those of earlier cases
    try:
        if case.kind == "tokenizer":
            method: Any = module.decode
            object.__setattr__(module, "decode", torch.compile(method, fullgraph=True, backend="eager"))
            given = run(case, module, inputs)
        else:
            given = run(case, torch.compile(module, fullgraph=True, backend="eager"), inputs)  # type: ignore[arg-type]
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise Failure(f"{case.name}: declares that it compiles, but fails to: {first}") from error
    require(near(given, plain, 1e-5), f"{case.name}: gives other values when compiled")


def keeps_its_config_through_a_recipe(case: Case) -> None:
    """A config is unchanged after a round trip through a recipe, and configs with the same settings are equal."""
    values = attrs.asdict(case.config, recurse=False)
    # A recipe leaves out a setting that is None, and holds a path as a text.
    values = {
        name: str(value) if isinstance(value, Path) else value for name, value in values.items() if value is not None
    }
    again = structure(case.component.config, values)
    require(again == case.config, f"{case.name}: its config is not equal to one made from the same settings")
    if KINDS[case.kind].gives:
        port = getattr(again, KINDS[case.kind].port_method(again))(*case.ports.values())
        require(case.gives == port, f"{case.name}: its port differs between configs with the same settings")


SLOW = 0.5
"""Seconds that the import of a plugin may take beyond that of janiform; every command waits for it."""


def registers_without_torch(case: Case) -> None:
    """The module of the config, which every command imports, does not import torch, and is imported quickly."""
    module = case.component.config.__module__
    code = (
        "import sys, time, attrs, janiform, janiform.components.registrar\n"
        f"start = time.perf_counter(); import {module}\n"
        "print(time.perf_counter() - start, file=sys.stderr); sys.exit(3 * ('torch' in sys.modules))"
    )
    seconds: list[float] = []
    while not seconds or (seconds[-1] > SLOW and len(seconds) < 3):  # a busy machine is not the plugin's fault
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        require(
            ran.returncode != 3,
            f"{case.name}: importing {module} imports torch, which makes every command slow; import it in the "
            "factory's module",
        )
        last = ran.stderr.strip().rpartition("\n")[2]
        require(ran.returncode == 0, f"{case.name}: importing {module} fails: {last}")
        seconds.append(float(last))
    require(
        min(seconds) <= SLOW,
        f"{case.name}: importing {module} takes {min(seconds):.1f} s, and every command waits for it; move what takes "
        "time into the factory's module",
    )


COMMON_CHECKS = (
    gives_the_shape_it_declares,
    is_the_same_on_the_meta_device,
    keeps_its_state,
    keeps_the_names_of_its_state,
    is_deterministic,
    resumes_in_training,
    gives_finite_outputs_for_flat_inputs,
    treats_rows_independently,
    gives_gradients_to_every_parameter,
    computes_in_bfloat16,
    compiles_without_graph_breaks_where_declared,
    keeps_its_config_through_a_recipe,
    gives_auxiliary_losses,
)
