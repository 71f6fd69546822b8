"""Scores of Janus and Janus-Pro for drawings, from tables 4 and 5 of Janus-Pro's report (arXiv:2501.17811)."""

from __future__ import annotations

from collections.abc import Mapping

from janiform import Published

from .published import REPORT

_MODELS = ("janus-1.3b", "janus-pro-1b", "janus-pro-7b")
_PROTOCOL = "not documented: guidance, temperature and seeds"

_GENEVAL = {
    "overall": (0.61, 0.73, 0.80),
    "single_object": (0.97, 0.98, 0.99),
    "two_object": (0.68, 0.82, 0.89),
    "counting": (0.30, 0.51, 0.59),
    "colors": (0.84, 0.89, 0.90),
    "position": (0.46, 0.65, 0.79),
    "color_attr": (0.42, 0.56, 0.66),
}

_DPG = {
    "overall": (79.68, 82.63, 84.19),
    "global": (82.33, 87.58, 86.90),
    "entity": (87.38, 88.63, 88.90),
    "attribute": (87.70, 88.17, 89.40),
    "relation": (85.46, 88.98, 89.32),
    "other": (86.41, 88.30, 89.48),
}


def _rows(group: str, table: Mapping[str, tuple[float, float, float]]) -> tuple[Published, ...]:
    return tuple(
        Published(model, f"{group}.{name}", value, _PROTOCOL, REPORT)
        for name, values in table.items()
        for model, value in zip(_MODELS, values, strict=True)
    )


PUBLISHED_GENEVAL = _rows("geneval", _GENEVAL)
PUBLISHED_DPG = _rows("faithful", _DPG)
"""DPG-Bench is in percent; the published scores follow the official script, which is ``faithful``."""
