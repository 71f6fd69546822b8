"""Samplers: the ways in which the codes or latents of a picture are drawn."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import AutoregressiveConfig, RegressionConfig
from .diffusion.config import DiffusionConfig
from .flow.config import FlowConfig
from .jacobi.config import JacobiConfig
from .masked.config import MaskedConfig
from .masked_latents.config import MaskedLatentsConfig
from .scales.config import ScalesConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "sampler",
        "autoregressive",
        config=AutoregressiveConfig,
        factory="janiform_plugins.samplers.autoregressive:AutoregressiveSampler",
        summary="One code after the other in raster order, with classifier-free guidance",
    )
    registrar.component(
        "sampler",
        "jacobi",
        config=JacobiConfig,
        factory="janiform_plugins.samplers.jacobi.sampler:JacobiSampler",
        summary="The codes of 'autoregressive' in fewer forwards: drafts are coupled to their distributions (MC-SJD)",
    )
    registrar.component(
        "sampler",
        "regression",
        config=RegressionConfig,
        factory="janiform_plugins.samplers.regression:RegressionSampler",
        summary="Latents one place after the other, each as the head expects it, as in MetaMorph",
    )
    registrar.component(
        "sampler",
        "flow",
        config=FlowConfig,
        factory="janiform_plugins.samplers.flow.sampler:FlowSampler",
        summary="Latents along straight lines from noise to data, all places at once, with classifier-free guidance",
    )
    registrar.component(
        "sampler",
        "diffusion",
        config=DiffusionConfig,
        factory="janiform_plugins.samplers.diffusion.sampler:DiffusionSampler",
        summary="Latents by diffusion (DDPM or DDIM), all places at once, with classifier-free guidance",
    )
    registrar.component(
        "sampler",
        "masked",
        config=MaskedConfig,
        factory="janiform_plugins.samplers.masked.sampler:MaskedSampler",
        summary="All codes at once in a few steps, each of which keeps the most certain ones, as in MaskGIT and Show-o",
    )
    registrar.component(
        "sampler",
        "masked-latents",
        config=MaskedLatentsConfig,
        factory="janiform_plugins.samplers.masked_latents.sampler:MaskedLatentsSampler",
        summary="Latents in a random order, some places in each step, whose values the head samples, as in MAR",
    )
    registrar.component(
        "sampler",
        "scales",
        config=ScalesConfig,
        factory="janiform_plugins.samplers.scales.sampler:ScalesSampler",
        summary="All codes of a scale at once, from the coarsest scale to the finest, as in VAR and TokenFlow",
    )
