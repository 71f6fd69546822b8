"""What benchmarks of drawing ask other models: where objects are, which colour they have, and yes or no. Torch-free.

A plugin that brings its own model registers a benchmark whose factory passes it, for instance
``GenEval(config, detector=MyDetector(config.weights))``.

h, w    height and width of a picture in pixels
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@frozen(eq=False)
class Detection:
    """An object in a picture.

    ``box``: left, top, right and bottom in pixels. ``mask``: its pixels as bool [h, w]; None where only boxes are
    detected.
    """

    box: tuple[float, float, float, float]
    score: float
    mask: NDArray[np.bool_] | None = field(default=None, repr=False)


class Detector(Protocol):
    """Finds objects by the names of their classes. ``settings`` identify it, and are recorded with the scores."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def unknown(self, classes: Sequence[str]) -> Sequence[str]:
        """Those of the classes that it cannot detect."""

    def detect(self, picture: Image, classes: Sequence[str]) -> Mapping[str, Sequence[Detection]]:
        """The objects of each class in an RGB picture, in any order and with low scores too."""


class ColourClassifier(Protocol):
    """Names the colour of objects. ``settings`` identify it, and are recorded with the scores."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def colours(self, crops: Sequence[Image], noun: str, names: Sequence[str]) -> Sequence[str]:
        """The colour of the object in each RGB picture, one of ``names``; ``noun`` is the object's class."""


class VisualQuestionAnswering(Protocol):
    """Answers questions about a picture. ``settings`` identify it, and are recorded with the scores."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def answer(self, picture: Image, questions: Sequence[str]) -> Sequence[str]:
        """The answer to each question about an RGB picture."""
