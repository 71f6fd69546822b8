"""Composition: a recipe to a plan, in which every part has its ports. Torch-free."""

from __future__ import annotations

from .composer import compose
from .plan import Edge, PartPlan, PathwayShape, Plan

__all__ = ["Edge", "PartPlan", "PathwayShape", "Plan", "compose"]
