"""Costs of a model: parameters, FLOPs, memory, and checks of its parts against their contracts."""
