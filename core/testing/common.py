"""What parts of every kind promise."""

from __future__ import annotations

import subprocess
import sys

import attrs
import torch
from torch import Tensor, nn

from ..components.kinds import KINDS
from ..ports import Features, Hidden, Logits
from ..recipe.structure import structure
from .case import ROWS, Case, demand


def run(case: Case, module: nn.Module, inputs: Tensor) -> Tensor:
    """One forward: of a tokenizer what it decodes of random codes, of a backbone a causal pass."""
    from ..sequence.mask import Mask

    if case.kind == "tokenizer":
        output = module.decode(case.codes(len(inputs)))  # type: ignore[operator]
    elif case.kind == "backbone":
        positions = torch.arange(inputs.shape[1], device=inputs.device).expand(inputs.shape[:2])
        output = module(inputs, positions, Mask.causal())
    else:
        output = module(inputs)
    demand(isinstance(output, Tensor), f"{case.name}: gave {type(output).__name__}, not a tensor")
    return output  # type: ignore[no-any-return]


def expected_shape(case: Case, rows: int = ROWS) -> tuple[int, ...]:
    """The shape of what ``run`` gives, by the declared port."""
    port = case.gives
    if isinstance(port, Features):
        return rows, port.tokens, port.width
    if isinstance(port, Logits):
        return rows, port.vocabulary
    if isinstance(port, Hidden):
        return rows, case.inputs().shape[1], port.width
    return rows, *case.pixels


def gives_the_shape_it_declares(case: Case) -> None:
    """The declared port, against what comes out, for random sizes of what goes in."""
    wanted = expected_shape(case)
    given = tuple(run(case, case.build(), case.inputs()).shape)
    demand(given == wanted, f"{case.name}: the config declares {case.gives}, so {list(wanted)}, but gave {list(given)}")


def is_the_same_on_the_meta_device(case: Case) -> None:
    """Composition builds every part on the meta device: the same names and shapes must come of it."""
    real = {name: tuple(tensor.shape) for name, tensor in case.build().state_dict().items()}
    try:
        shell = case.build("meta")
    except Exception as error:
        raise AssertionError(
            f"{case.name}: cannot be built on the meta device ({type(error).__name__}: {error}); make tensors without "
            "reading their values, and let torch's default device stand"
        ) from error
    meta = {name: tuple(tensor.shape) for name, tensor in shell.state_dict().items()}
    wrong = sorted(name for name in real.keys() | meta.keys() if real.get(name) != meta.get(name))
    demand(not wrong, f"{case.name}: has other tensors on the meta device: {', '.join(wrong)}")
    placed = sorted(name for name, tensor in shell.state_dict().items() if not tensor.is_meta)
    demand(not placed, f"{case.name}: {', '.join(placed)} is put on a device by name, so it takes memory at once")


def keeps_its_state(case: Case) -> None:
    """A state dict, put into another instance, gives the same outputs: nothing hides outside of it."""
    first, second = case.build(), case.build()
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    second.load_state_dict(first.state_dict())
    inputs = case.inputs()
    demand(
        torch.equal(run(case, first, inputs), run(case, second, inputs)),
        f"{case.name}: an instance with another's state dict gives other outputs; register what it needs as parameter "
        "or buffer",
    )


def is_deterministic(case: Case) -> None:
    """In eval mode the same input gives the same output, and takes nothing from the random stream."""
    module, inputs = case.build(), case.inputs()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    once = run(case, module, inputs)
    demand(torch.equal(before, torch.get_rng_state()), f"{case.name}: draws random numbers in eval mode")
    demand(torch.equal(once, run(case, module, inputs)), f"{case.name}: gives another output the second time")
    demand(bool(torch.isfinite(once).all()), f"{case.name}: gives values that are not finite")


def treats_each_row_alone(case: Case) -> None:
    """Row i of a batch equals the row alone."""
    module, inputs = case.build(), case.inputs()
    together = run(case, module, inputs)
    if case.kind == "tokenizer":
        codes = case.codes()
        alone = torch.cat([module.decode(codes[row : row + 1]) for row in range(ROWS)])  # type: ignore[operator]
    else:
        alone = torch.cat([run(case, module, inputs[row : row + 1]) for row in range(ROWS)])
    demand(
        near(together, alone, 1e-5),
        f"{case.name}: a row of a batch differs from the row alone by {apart(together, alone):.1e}; nothing may be "
        "computed over the batch in eval mode",
    )


def learns_everywhere(case: Case) -> None:
    """Gradients reach every parameter in training, and none where the part is frozen."""
    module = case.build()
    module.train().requires_grad_(True)
    loss = training_loss(case, module)
    demand(loss.requires_grad, f"{case.name}: its output carries no gradient; something in it is detached")
    loss.backward()  # type: ignore[no-untyped-call]
    named = dict(module.named_parameters())
    idle = sorted(name for name, parameter in named.items() if parameter.grad is None)
    demand(not idle, f"{case.name}: no gradient reaches {', '.join(idle)}; take it out, or make it a buffer")
    broken = sorted(name for name, p in named.items() if p.grad is not None and not torch.isfinite(p.grad).all())
    demand(not broken, f"{case.name}: the gradient of {', '.join(broken)} is not finite")
    frozen = case.build()
    inputs = case.inputs()
    if inputs.is_floating_point():
        inputs.requires_grad_(True)
    output = run(case, frozen, inputs)
    if output.requires_grad:  # by way of the inputs, as of a part that learns before this one
        output.sum().backward()  # type: ignore[no-untyped-call]
    demand(
        all(parameter.grad is None and not parameter.requires_grad for parameter in frozen.parameters()),
        f"{case.name}: a frozen part learned; leave requires_grad to the stage",
    )


def training_loss(case: Case, module: nn.Module) -> Tensor:
    """A scalar that hangs on all of the part."""
    inputs = case.inputs()
    if case.kind == "tokenizer":
        losses, _ = module.losses(inputs)  # type: ignore[operator]
        return torch.stack([loss.mean for loss in losses.values()]).sum()
    if inputs.is_floating_point():
        inputs.requires_grad_(True)  # so that gradients pass a part that has nothing to learn itself
    if case.kind == "head":
        return module.loss(inputs, case.codes(1)[0, :1].expand(len(inputs), -1)).mean  # type: ignore[operator, no-any-return]
    output = run(case, module, inputs).float()
    if case.kind == "backbone":
        ids = torch.arange(4)[None]
        embedded = module.embed(ids)  # type: ignore[operator]
        output = torch.cat((output.flatten(), module.logits(run(case, module, embedded)).flatten()))  # type: ignore[operator]
    return (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()


def computes_in_bfloat16(case: Case) -> None:
    """The part cast to bfloat16 gives bfloat16, near to float32; under autocast it runs as well."""
    inputs = case.inputs()
    exact = run(case, case.build(), inputs)
    half = case.build(dtype=torch.bfloat16)
    given = run(case, half, inputs.to(torch.bfloat16) if inputs.is_floating_point() else inputs)
    demand(given.dtype == torch.bfloat16, f"{case.name}: cast to bfloat16 it gives {given.dtype}")
    demand(
        near(given.float(), exact, 0.1),
        f"{case.name}: in bfloat16 it is {apart(given.float(), exact):.1e} away from float32, of its largest value",
    )
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run(case, case.build(), inputs)
    demand(near(mixed.float(), exact, 0.1), f"{case.name}: under autocast it strays from float32")


def compiles_whole_where_it_says_so(case: Case) -> None:
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
        raise AssertionError(f"{case.name}: declares that it compiles, but: {first}") from error
    demand(near(given, plain, 1e-5), f"{case.name}: compiled it gives other values")


def has_a_config_that_is_data(case: Case) -> None:
    """A config survives the way through a recipe file, and two of the same settings are equal."""
    values = attrs.asdict(case.config, recurse=False)
    again = structure(case.component.config, values)
    demand(again == case.config, f"{case.name}: its config is not equal to one that is made of the same settings")
    if KINDS[case.kind].gives is not None:
        port = getattr(again, KINDS[case.kind].port_method)(*case.ports.values())
        demand(case.gives == port, f"{case.name}: its port changes")


def registers_without_torch(case: Case) -> None:
    """The module of the config, which every command imports, must not import torch."""
    code = f"import sys, {case.component.config.__module__}; sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    demand(
        ran.returncode == 0,
        f"{case.name}: importing {case.component.config.__module__} imports torch, which makes every command slow; "
        f"import it in the factory's module {ran.stderr[-300:]}".rstrip(),
    )


def near(given: Tensor, exact: Tensor, part: float) -> bool:
    return given.shape == exact.shape and apart(given, exact) <= part


def apart(given: Tensor, exact: Tensor) -> float:
    """The largest difference, in parts of the largest value."""
    given, exact = given.detach(), exact.detach()
    return float((given - exact).abs().max() / exact.abs().max().clamp(min=1e-6))


COMMON = (
    gives_the_shape_it_declares,
    is_the_same_on_the_meta_device,
    keeps_its_state,
    is_deterministic,
    treats_each_row_alone,
    learns_everywhere,
    computes_in_bfloat16,
    compiles_whole_where_it_says_so,
    has_a_config_that_is_data,
)
