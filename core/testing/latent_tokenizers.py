"""Conformance tests of tokenizers of continuous latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import UsageError
from .calls import call, near
from .case import ROWS, Case, require


def encodes_latents_of_its_port(case: Case) -> None:
    """``encode`` gives finite latents of the declared grid and width, independent of the rest of the batch."""
    module, pixels, port = case.build(), case.inputs(), case.gives
    latents = call(case, module, "encode", pixels)
    wanted = [ROWS, port.tokens, port.width]
    require(
        latents.is_floating_point() and list(latents.shape) == wanted,
        f"{case.name}: declares {port}, so encode gives floating-point numbers {wanted}; it gave {latents.dtype} "
        f"{list(latents.shape)}",
    )
    for what, inputs in (("", pixels), *case.extremes()):
        given = call(case, module, "encode", inputs)
        require(
            bool(torch.isfinite(given).all()),
            f"{case.name}: `encode` gives values that are not finite{what and f' for {what}'}",
        )
    _is_encoded_alone(case, module, pixels, latents, None)


def encodes_samples_with_noise(case: Case) -> None:
    """``encode`` with noise gives samples of the posterior: noise of zeros gives its mode, other noise other latents.

    A class with ``posterior = False`` has one value for each latent, so that noise changes nothing.
    """
    module, pixels = case.build(), case.inputs()
    mode, noise = call(case, module, "encode", pixels), case.latents()
    sample = call(case, module, "encode", pixels, noise=noise)
    require(
        sample.shape == mode.shape and sample.dtype == mode.dtype,
        f"{case.name}: with noise `encode` gives {sample.dtype} {list(sample.shape)}, without it {mode.dtype} "
        f"{list(mode.shape)}",
    )
    require(
        near(call(case, module, "encode", pixels, noise=torch.zeros_like(noise)), mode, 1e-5),
        f"{case.name}: with noise of zeros `encode` gives other latents than without noise, which is the mode; shift "
        "and scale samples and the mode alike",
    )
    same = near(sample, mode, 1e-6)
    if getattr(type(module), "posterior", True):
        require(
            not same,
            f"{case.name}: `encode` ignores its noise; give samples of the posterior, or set posterior = False in the "
            "class where there is none",
        )
    else:
        require(same, f"{case.name}: its class has posterior = False, but noise changes what `encode` gives")
    _is_encoded_alone(case, module, pixels, sample, noise)


def _is_encoded_alone(case: Case, module: nn.Module, pixels: Tensor, latents: Tensor, noise: Tensor | None) -> None:
    rows = [slice(row, row + 1) for row in range(ROWS)]
    alone = [
        call(case, module, "encode", pixels[row], **({} if noise is None else {"noise": noise[row]})) for row in rows
    ]
    require(
        near(torch.cat(alone), latents, 1e-5),
        f"{case.name}: the latents of a picture{' with noise' if noise is not None else ''} depend on the rest of the "
        "batch",
    )


def _refuses_to_decode(case: Case) -> None:
    try:
        case.build().decode(case.latents())  # type: ignore[operator]
    except UsageError:
        return
    except Exception as error:  # any plugin's code runs here
        require(False, f"{case.name}: has no decoder, but `decode` raises {type(error).__name__}, expected UsageError")
    require(False, f"{case.name}: its config says decodes = False, but `decode` gives pixels")


def decodes_what_it_encodes(case: Case) -> None:
    """``decode`` takes what ``encode`` gives, gives pixels of the same shape, and reads every value of the latents.

    A tokenizer whose config has ``decodes = False`` refuses latents with a ``UsageError``.
    """
    if not case.decodes:
        _refuses_to_decode(case)
        return
    module, pixels = case.build(), case.inputs()
    latents = call(case, module, "encode", pixels)
    decoded = call(case, module, "decode", latents)
    require(
        decoded.shape == pixels.shape and decoded.is_floating_point(),
        f"{case.name}: `decode` of what `encode` gives for pixels {list(pixels.shape)} is {decoded.dtype} "
        f"{list(decoded.shape)}",
    )
    read = case.latents().requires_grad_(True)
    output = module.decode(read)  # type: ignore[operator]
    # Random weights, as a sum of all pixels may not depend on some values.
    weights = torch.rand(output.shape, generator=torch.Generator().manual_seed(case.seed)) + 0.5
    gradient = torch.autograd.grad((output * weights).sum(), read)[0] if output.requires_grad else None
    require(gradient is not None, f"{case.name}: `decode` has no gradient for its latents; something in it is detached")
    assert gradient is not None
    unread = (gradient == 0).all(dim=0).nonzero().tolist()
    require(
        not unread,
        f"{case.name}: `decode` does not read {len(unread)} of the {gradient[0].numel()} values of a picture's "
        f"latents, such as value {', '.join(f'{value} of place {place}' for place, value in unread[:1])}",
    )
