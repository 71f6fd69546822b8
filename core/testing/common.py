"""Conformance tests of every kind with weights."""

from __future__ import annotations

import subprocess
import sys

import attrs
import torch
from torch import Tensor, nn

from ..components.kinds import KINDS
from ..ports import Features, Hidden, Logits
from ..recipe.structure import structure
from .case import ROWS, Case, require


def run(case: Case, module: nn.Module, inputs: Tensor) -> Tensor:
    """One forward pass: for a tokenizer the decoding of random codes, for a backbone a causal pass."""
    from ..sequence.mask import Mask

    if case.kind == "tokenizer":
        output = module.decode(case.codes(len(inputs)))  # type: ignore[operator]
    elif case.kind == "backbone":
        positions = torch.arange(inputs.shape[1], device=inputs.device).expand(inputs.shape[:2])
        output = module(inputs, positions, Mask.causal())
    else:
        output = module(inputs)
    require(isinstance(output, Tensor), f"{case.name}: gave {type(output).__name__}, not a tensor")
    return output  # type: ignore[no-any-return]


def expected_shape(case: Case, rows: int = ROWS) -> tuple[int, ...]:
    """The shape of what ``run`` gives, according to the declared port."""
    port = case.gives
    if isinstance(port, Features):
        return rows, port.tokens, port.width
    if isinstance(port, Logits):
        return rows, port.vocabulary
    if isinstance(port, Hidden):
        return rows, case.inputs().shape[1], port.width
    return rows, *case.pixels


def gives_the_shape_it_declares(case: Case) -> None:
    """Outputs have the shape of the declared port, for random sizes of the inputs."""
    wanted = expected_shape(case)
    given = tuple(run(case, case.build(), case.inputs()).shape)
    require(
        given == wanted,
        f"{case.name}: the config declares {case.gives}, hence {list(wanted)}, but the module gave {list(given)}",
    )


def is_the_same_on_the_meta_device(case: Case) -> None:
    """On the meta device the module has the same tensors, by name and shape, since composition builds it there."""
    real = {name: tuple(tensor.shape) for name, tensor in case.build().state_dict().items()}
    try:
        shell = case.build("meta")
    except Exception as error:
        raise AssertionError(
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
    """Another instance with the same state dict gives the same outputs: all state is in it."""
    first, second = case.build(), case.build()
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    second.load_state_dict(first.state_dict())
    inputs = case.inputs()
    require(
        torch.equal(run(case, first, inputs), run(case, second, inputs)),
        f"{case.name}: an instance with another's state dict gives other outputs; register what it needs as a "
        "parameter "
        "or buffer",
    )


def is_deterministic(case: Case) -> None:
    """In eval mode the same input gives the same output, and no random numbers are drawn."""
    module, inputs = case.build(), case.inputs()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    once = run(case, module, inputs)
    require(torch.equal(before, torch.get_rng_state()), f"{case.name}: draws random numbers in eval mode")
    require(torch.equal(once, run(case, module, inputs)), f"{case.name}: gives another output for the same input")
    require(bool(torch.isfinite(once).all()), f"{case.name}: gives values that are not finite")


def treats_rows_independently(case: Case) -> None:
    """Each row's output is independent of the rest of the batch."""
    module, inputs = case.build(), case.inputs()
    together = run(case, module, inputs)
    if case.kind == "tokenizer":
        codes = case.codes()
        alone = torch.cat([module.decode(codes[row : row + 1]) for row in range(ROWS)])  # type: ignore[operator]
    else:
        alone = torch.cat([run(case, module, inputs[row : row + 1]) for row in range(ROWS)])
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


def training_loss(case: Case, module: nn.Module) -> Tensor:
    """A scalar that depends on every parameter of the part."""
    inputs = case.inputs()
    if case.kind == "tokenizer":
        losses, _ = module.losses(inputs)  # type: ignore[operator]
        return torch.stack([loss.mean for loss in losses.values()]).sum()
    if inputs.is_floating_point():
        inputs.requires_grad_(True)  # so that gradients flow through a part without parameters
    if case.kind == "head":
        return module.loss(inputs, case.codes(1)[0, :1].expand(len(inputs), -1)).mean  # type: ignore[operator, no-any-return]
    output = run(case, module, inputs).float()
    if case.kind == "backbone":
        ids = torch.arange(4)[None]
        embedded = module.embed(ids)  # type: ignore[operator]
        output = torch.cat((output.flatten(), module.logits(run(case, module, embedded)).flatten()))  # type: ignore[operator]
    return (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()


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
        mixed = run(case, case.build(), inputs)
    require(near(mixed.float(), exact, 0.1), f"{case.name}: under autocast its output differs from float32")


def compiles_without_graph_breaks_where_declared(case: Case) -> None:
    """A module class with ``compiles = True`` has no graph breaks."""
    module = case.build()
    if not getattr(type(module), "compiles", False):
        return
    inputs = case.inputs()
    plain = run(case, module, inputs)
    try:
        compiled = torch.compile(module, fullgraph=True, backend="eager")
        given = run(case, compiled, inputs)  # type: ignore[arg-type]
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise AssertionError(f"{case.name}: declares that it compiles, but fails to: {first}") from error
    require(near(given, plain, 1e-5), f"{case.name}: gives other values when compiled")


def keeps_its_config_through_a_recipe(case: Case) -> None:
    """A config is unchanged after a round trip through a recipe, and configs with the same settings are equal."""
    values = attrs.asdict(case.config, recurse=False)
    again = structure(case.component.config, values)
    require(again == case.config, f"{case.name}: its config is not equal to one made from the same settings")
    if KINDS[case.kind].gives is not None:
        port = getattr(again, KINDS[case.kind].port_method)(*case.ports.values())
        require(case.gives == port, f"{case.name}: its port differs between configs with the same settings")


def registers_without_torch(case: Case) -> None:
    """The module of the config, which every command imports, does not import torch."""
    code = f"import sys, {case.component.config.__module__}; sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    require(
        ran.returncode == 0,
        f"{case.name}: importing {case.component.config.__module__} imports torch, which makes every command slow; "
        f"import it in the factory's module {ran.stderr[-300:]}".rstrip(),
    )


def near(given: Tensor, exact: Tensor, tolerance: float) -> bool:
    """Whether the tensors differ by at most ``tolerance`` times the largest value."""
    return given.shape == exact.shape and apart(given, exact) <= tolerance


def apart(given: Tensor, exact: Tensor) -> float:
    """The largest difference, as a fraction of the largest value."""
    given, exact = given.detach(), exact.detach()
    return float((given - exact).abs().max() / exact.abs().max().clamp(min=1e-6))


COMMON_CHECKS = (
    gives_the_shape_it_declares,
    is_the_same_on_the_meta_device,
    keeps_its_state,
    is_deterministic,
    treats_rows_independently,
    gives_gradients_to_every_parameter,
    computes_in_bfloat16,
    compiles_without_graph_breaks_where_declared,
    keeps_its_config_through_a_recipe,
)
