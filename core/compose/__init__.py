"""From a recipe to a plan, to a model, to what it costs and how it looks."""

from __future__ import annotations

from .connect import compose
from .plan import Edge, PartPlan, PathwayShape, Plan

__all__ = ["Edge", "PartPlan", "PathwayShape", "Plan", "compose"]
