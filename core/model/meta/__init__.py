"""Shapes of results on the meta device, without torch's compiler.

Most operations compute their shapes there in Python, by functions that import the compiler when the first of them is
called. That takes longer than importing torch, and everything else that ``janiform check`` does.

A rule here answers only for operands that surely fit: ordinary types, sizes that agree, no empty tensors. It returns
None for all others, and torch itself then gives the result or refuses the call. Some calls that torch accepts on the
meta device and refuses everywhere else are refused here, as products of two types.
"""

from .device import list_anew, tensors_on
from .mode import MetaShapes, shapes_only

__all__ = ["MetaShapes", "list_anew", "shapes_only", "tensors_on"]
