"""Statistics of studies: pure functions over scores by cell and seed, and over items; they need scipy.

C cells    S seeds    I items    alpha: level of tests; intervals are at 1 - alpha
"""

from .best import dominated_cells, dominates, indistinguishable_from_best
from .cautions import Caution, cautions
from .compare import CellSummary, Comparison, Comparisons, Direction, Verdict, compare_cells, compare_exploratory
from .intervals import Interval, MeanDifference
from .items import ItemComparison, McNemar, paired_items
from .methods import Scores, choose_method
from .power import (
    Equivalence,
    detectable_difference,
    expected_half_width,
    items_needed,
    seeds_needed,
)

__all__ = [
    "Caution",
    "CellSummary",
    "Comparison",
    "Comparisons",
    "Direction",
    "Equivalence",
    "Interval",
    "ItemComparison",
    "McNemar",
    "MeanDifference",
    "Scores",
    "Verdict",
    "cautions",
    "choose_method",
    "compare_cells",
    "compare_exploratory",
    "detectable_difference",
    "dominated_cells",
    "dominates",
    "expected_half_width",
    "indistinguishable_from_best",
    "items_needed",
    "paired_items",
    "seeds_needed",
]
