"""What pictures score that need no editing: the floor of the benchmark.

One returns the source unchanged. The other fulfils the instruction without the source: it draws the changed objects as
they must become, and the one that the instruction refers to, where the instruction says or else anywhere. It knows
every attribute of them, more than most instructions name, so that no model without the source can expect more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from janiform_plugins.world import BACKGROUNDS, Object, Scene, region_of, render
from janiform_plugins.world.editing import Edit
from janiform_plugins.world.phrases import pick
from janiform_plugins.world.placement import free_places, place_objects
from numpy.typing import NDArray


def unchanged(edit: Edit) -> NDArray[np.uint8]:
    """The source picture."""
    return render(edit.source)


def without_source(edit: Edit, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture that fulfils an instruction as well as is possible without the source."""
    return render(Scene(_imagined(edit, rng), pick(BACKGROUNDS, rng)))


def _imagined(edit: Edit, rng: np.random.Generator) -> tuple[Object, ...]:
    goal = edit.goal
    if goal.region is not None:
        (item,) = edit.after
        places = [replace(item, x=x, y=y) for x, y in free_places(item.size, ())]
        return (pick([place for place in places if region_of(place) == goal.region], rng),)
    objects = edit.after if goal.other is None else (*edit.after, goal.other)
    if not objects:
        return ()
    centres = place_objects([item.size for item in objects], rng, goal.relation)
    return tuple(replace(item, x=x, y=y) for item, (x, y) in zip(objects, centres, strict=True))
