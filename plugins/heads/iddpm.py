"""Diffusion of single vectors with learned variances: Improved DDPM (arXiv:2102.09672), as in MAR (arXiv:2406.11838).

R vectors    C values of each    T the 1000 steps of training    t a step, 0 … T − 1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor

from ..samplers.diffusion.process import STEPS, kept

BIN = 1 / 255
"""Half the width of the values that the likelihood of the first step cannot tell apart: those of pictures in 8 bits."""

EDGE = 0.999
"""Beyond it the first step's likelihood has an open bin."""

SMALLEST = 1e-12
"""The smallest probability whose logarithm is taken."""


@frozen(eq=False)
class Schedule:
    """The coefficients of every step, float32 [steps, 1]: of all T steps, or of some with longer strides between them.

    ᾱ is how much of the data's variance is left after a step, β the variance of the noise that the step adds, and β̃ the
    variance of the step back where the data is known.
    """

    signal: Tensor
    noise: Tensor
    """√ᾱ and √(1 − ᾱ), the weights of data and noise in a noisy vector."""
    of_x: Tensor
    of_noise: Tensor
    """√(1/ᾱ) and √(1/ᾱ − 1), by which the data is known from the noisy vector and the noise."""
    mean_data: Tensor
    mean_x: Tensor
    """The weights of the data and of the noisy vector in the mean of the step back."""
    smallest: Tensor
    largest: Tensor
    """The logarithms of β̃ and β."""

    @classmethod
    def of(cls, steps: Sequence[int], device: torch.device) -> Schedule:
        """That of the given steps of training, at least two, in ascending order."""
        table = torch.tensor(_coefficients(tuple(steps)), dtype=torch.float32, device=device)
        return cls(*table[..., None])

    def noisy(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Data [R, C] after the steps t [R]."""
        return self.signal[t] * data + self.noise[t] * noise

    def data_of(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The data of noisy vectors x [R, C], given their noise."""
        return self.of_x[t] * x - self.of_noise[t] * noise

    def mean(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The mean of the step back from x [R, C], given the data."""
        return self.mean_data[t] * data + self.mean_x[t] * x

    def log_variance(self, spread: Tensor, t: Tensor) -> Tensor:
        """What the net says of the variance, −1 for β̃ and 1 for β [R, C], as the logarithm of a variance."""
        share = (spread + 1) / 2
        return share * self.largest[t] + (1 - share) * self.smallest[t]


@cache
def _coefficients(steps: tuple[int, ...]) -> NDArray[np.float64]:
    """The columns of a schedule, in the order of its fields, [8, steps]."""
    left = np.array([kept()[step + 1] for step in steps])
    before = np.append(1.0, left[:-1])
    beta = 1 - left / before
    variance = beta * (1 - before) / (1 - left)
    variance[0] = variance[1]  # the first step back has none, whose logarithm cannot be taken
    columns = (
        np.sqrt(left),
        np.sqrt(1 - left),
        np.sqrt(1 / left),
        np.sqrt(1 / left - 1),
        beta * np.sqrt(before) / (1 - left),
        (1 - before) * np.sqrt(1 - beta) / (1 - left),
        np.log(variance),
        np.log(beta),
    )
    return np.stack(columns)


def spaced(count: int) -> list[int]:
    """``count`` of the T steps, the first and the last among them, at equal distances."""
    stride = (STEPS - 1) / (count - 1)
    return [round(index * stride) for index in range(count)]


def losses(schedule: Schedule, data: Tensor, noise: Tensor, t: Tensor, predicted: Tensor) -> Tensor:
    """The loss of every vector, [R]: the mean squared error of its noise, and the bound by which the variance learns.

    The bound, in bits per value, is the divergence between the step back and the one that is known with the data, or
    at t = 0 the likelihood of the data; it has no gradient for the noise.

    Args:
        predicted: noise and variances by the net, [R, 2·C], for ``schedule.noisy(data, noise, t)``.
    """
    x = schedule.noisy(data, noise, t)
    made, spread = predicted.chunk(2, dim=-1)
    true_mean, true_log = schedule.mean(data, x, t), schedule.smallest[t]
    mean = schedule.mean(schedule.data_of(x, made.detach(), t), x, t)
    log = schedule.log_variance(spread, t)
    divergence = 0.5 * (log - true_log - 1 + (true_log - log).exp() + (true_mean - mean).square() * (-log).exp())
    bound = torch.where(t[:, None] == 0, -_log_likelihood(data, mean, 0.5 * log), divergence)
    return (made - noise).square().mean(-1) + bound.mean(-1) / math.log(2)


def sampled(
    schedule: Schedule,
    steps: Sequence[int],
    x: Tensor,
    predict: Callable[[Tensor, int], tuple[Tensor, Tensor]],
    noise: Callable[[], Tensor],
    clip: float = 0.0,
) -> Tensor:
    """Vectors [R, C] from noise x [R, C], by all steps of a schedule from the last to the first.

    Args:
        steps: the numbers of its steps in training, which the net is given.
        predict: noise and variances [R, C] each, of x and a step.
        noise: new random numbers [R, C] for every step but the last.
        clip: the largest absolute value of the data that is predicted in a step; 0 means no limit.
    """
    for index in reversed(range(len(steps))):
        t = torch.full((len(x),), index, device=x.device)
        made, spread = predict(x, steps[index])
        data = schedule.data_of(x, made, t)
        x_mean = schedule.mean(data.clamp(-clip, clip) if clip else data, x, t)
        x = x_mean + (0.5 * schedule.log_variance(spread, t)).exp() * noise() if index else x_mean
    return x


def _log_likelihood(data: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """The logarithm of the probability of the bins of values, in a normal distribution; the outer bins are open."""
    centred, inverse = data - mean, (-log_deviation).exp()
    below, above = _cumulative(inverse * (centred - BIN)), _cumulative(inverse * (centred + BIN))
    inside = torch.where(data > EDGE, 1 - below, above - below)
    return torch.where(data < -EDGE, above, inside).clamp(min=SMALLEST).log()


def _cumulative(x: Tensor) -> Tensor:
    """The cumulative distribution of the standard normal distribution, approximated as in the code of Improved DDPM."""
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
