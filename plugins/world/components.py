"""Connected components of a mask: runs of pixels in each row are joined to the runs they touch in the row above."""

import numpy as np
from numpy.typing import NDArray


def connected_components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Label the 4-connected components of ``mask`` [height, width]: 0 outside, 1 .. number inside.

    Returns the labels and the number of components, which are numbered from top to bottom.
    """
    height, width = mask.shape
    edges = np.zeros((height, width + 2), np.int8)
    edges[:, 1:-1] = mask
    steps = np.diff(edges, axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    runs = list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))
    roots = _join(runs)

    labels = np.zeros((height, width), np.int32)
    numbers: dict[int, int] = {}
    for root, (row, start, end) in zip(roots, runs, strict=True):
        labels[row, start:end] = numbers.setdefault(root, len(numbers) + 1)
    return labels, len(numbers)


def _join(runs: list[tuple[int, int, int]]) -> list[int]:
    """Return, for each run, the index of the run that represents its component."""
    parents = list(range(len(runs)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    above = 0
    for current, (row, start, end) in enumerate(runs):
        while runs[above][0] < row - 1:
            above += 1
        other = above
        while other < current and runs[other][0] == row - 1 and runs[other][1] < end:
            if runs[other][2] > start:
                low, high = sorted((root(other), root(current)))
                parents[high] = low
            other += 1
    return [root(index) for index in range(len(runs))]
