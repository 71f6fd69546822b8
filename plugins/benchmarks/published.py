"""The scores of the Janus papers by benchmark, each with what is known of how it was measured.

From the technical report of Janus-Pro (arXiv:2501.17811), tables 3 to 5, and from VLMEvalKit's pull request 541, in
which the authors of Janus repeat their evaluation.
"""

from __future__ import annotations

from collections.abc import Container

from janiform import Published

_MODELS = ("Janus-1.3B", "Janus-Pro-1B", "Janus-Pro-7B")

_ANSWERS: dict[str, tuple[str, tuple[float, float, float], str]] = {
    "pope": (
        "pope.random.f1",
        (0.870, 0.862, 0.874),
        "for Janus F1 of the random split, with its prompt in VLMEvalKit; not documented for Janus-Pro",
    ),
    "mme": ("mme.perception", (1338.0, 1444.0, 1567.1), "perception, with the prompt of Janus in VLMEvalKit"),
    "mmbench": (
        "mmbench.vanilla_all",
        (0.694, 0.755, 0.792),
        "DEV_EN without circular evaluation, in VLMEvalKit; other models of the table are circular",
    ),
    "seed": ("seed.accuracy", (0.637, 0.683, 0.721), "pictures only, dimensions 1 to 9, in VLMEvalKit"),
    "gqa": ("gqa.accuracy", (0.591, 0.593, 0.620), "how answers were compared is not documented"),
    "mmmu": (
        "mmmu.overall",
        (0.305, 0.363, 0.410),
        "validation, in VLMEvalKit, where open questions become choices of two",
    ),
    "mm_vet": (
        "mm_vet.total",
        (0.343, 0.398, 0.500),
        "with the system text of Janus, which asks for steps; the judge is not documented for Janus-Pro",
    ),
}

_REPEATED = {
    "pope": (("pope.pooled.f1", 0.855), ("pope.random.f1", 0.871)),
    "mme": (("mme.perception", 1342.4),),
    "mmbench": (("mmbench.vanilla_all", 0.698),),
    "seed": (("seed.accuracy", 0.638),),
    "mmmu": (("mmmu.overall", 0.312),),
    "mm_vet": (("mm_vet.total", 0.368),),
}
"""Janus-1.3B, as its authors repeat it in VLMEvalKit's pull request 541."""

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


def published(benchmark: str, metrics: Container[str]) -> tuple[Published, ...]:
    """The scores of papers for a benchmark, of those metrics that it has."""
    rows = [*_answered(benchmark), *_drawn(benchmark)]
    return tuple(row for row in rows if row.metric in metrics)


def _answered(benchmark: str) -> list[Published]:
    rows: list[Published] = []
    if benchmark in _ANSWERS:
        metric, values, note = _ANSWERS[benchmark]
        protocol = f"Janus-Pro report, table 3: {note}"
        rows += [Published(model, metric, value, protocol) for model, value in zip(_MODELS, values, strict=True)]
    repeated = "repeated by the authors in VLMEvalKit, pull request 541"
    rows += [Published(_MODELS[0], metric, value, repeated) for metric, value in _REPEATED.get(benchmark, ())]
    return rows


def _drawn(benchmark: str) -> list[Published]:
    tables = {
        "geneval": (_GENEVAL, "geneval", "Janus-Pro report, table 4: sampling settings not documented"),
        "dpg": (_DPG, "faithful", "Janus-Pro report, table 5: sampling settings not documented"),
    }
    if benchmark not in tables:
        return []
    table, prefix, protocol = tables[benchmark]
    return [
        Published(model, f"{prefix}.{name}", value, protocol)
        for name, values in table.items()
        for model, value in zip(_MODELS, values, strict=True)
    ]
