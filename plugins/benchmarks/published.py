"""Scores of Janus and Janus-Pro that were published, in the units of the metrics here, each with its protocol.

A number without a documented protocol says so: it can be approached, but not reproduced.
"""

from __future__ import annotations

from collections.abc import Mapping

from janiform import Published

REPORT = "Janus-Pro's report"
PULL_REQUEST = "VLMEvalKit #541"
"""The authors' own measurement of Janus-1.3B with VLMEvalKit."""

RERUN = "VLMEvalKit #1570"
"""A user's measurement of Janus-Pro-1B with VLMEvalKit, which does not reach the report's numbers."""

_UNDOCUMENTED = "not documented"
_AS_BEFORE = "as documented for Janus-1.3B"
_NOT_CIRCULAR = "dev, English, not circular"
_VANILLA = f"profile janus, {_AS_BEFORE}; {_NOT_CIRCULAR}"


PUBLISHED: Mapping[str, tuple[Published, ...]] = {
    "POPE": (
        Published("janus-1.3b", "pope.random.f1", 0.870, "profile janus; F1 of the random split", REPORT),
        Published("janus-1.3b", "pope.random.f1", 0.871, "profile janus; F1 of the random split", PULL_REQUEST),
        Published("janus-1.3b", "pope.pooled.f1", 0.855, "profile janus; F1 pooled over the splits", PULL_REQUEST),
        Published("janus-pro-1b", "pope.overall", 0.862, f"{_UNDOCUMENTED}: which F1", REPORT),
        Published("janus-pro-1b", "pope.pooled.f1", 0.8411, "profile janus; F1 pooled over the splits", RERUN),
        Published("janus-pro-7b", "pope.overall", 0.874, f"{_UNDOCUMENTED}: which F1", REPORT),
    ),
    "MME": (
        Published("janus-1.3b", "mme.perception", 1338.0, "profile janus", REPORT),
        Published("janus-1.3b", "mme.perception", 1342.4, "profile janus", PULL_REQUEST),
        Published("janus-pro-1b", "mme.perception", 1444.0, f"profile janus, {_AS_BEFORE}", REPORT),
        Published("janus-pro-7b", "mme.perception", 1567.1, f"profile janus, {_AS_BEFORE}", REPORT),
        Published("janus-pro-7b", "mme.perception", 1520.0, "profile janus", "VLMEvalKit #794"),
    ),
    "GQA": (
        Published("janus-1.3b", "gqa.accuracy", 0.591, _UNDOCUMENTED, REPORT),
        Published("janus-pro-1b", "gqa.accuracy", 0.593, _UNDOCUMENTED, REPORT),
        Published("janus-pro-7b", "gqa.accuracy", 0.620, _UNDOCUMENTED, REPORT),
    ),
    "SEED-Bench": (
        Published("janus-1.3b", "seed.accuracy", 0.637, "profile janus; pictures only", REPORT),
        Published("janus-1.3b", "seed.accuracy", 0.638, "profile janus; pictures only", PULL_REQUEST),
        Published("janus-pro-1b", "seed.accuracy", 0.683, f"profile janus, {_AS_BEFORE}; pictures only", REPORT),
        Published("janus-pro-1b", "seed.accuracy", 0.6728, "profile janus; pictures only", RERUN),
        Published("janus-pro-7b", "seed.accuracy", 0.721, f"profile janus, {_AS_BEFORE}; pictures only", REPORT),
    ),
    "MMBench": (
        Published("janus-1.3b", "mmbench.vanilla_all", 0.694, f"profile janus; {_NOT_CIRCULAR}", REPORT),
        Published("janus-1.3b", "mmbench.vanilla_all", 0.698, f"profile janus; {_NOT_CIRCULAR}", PULL_REQUEST),
        Published("janus-pro-1b", "mmbench.vanilla_all", 0.755, _VANILLA, REPORT),
        Published("janus-pro-1b", "mmbench.vanilla_all", 0.742, f"{_UNDOCUMENTED}: circular or not", RERUN),
        Published("janus-pro-7b", "mmbench.vanilla_all", 0.792, _VANILLA, REPORT),
        Published("janus-pro-7b", "mmbench.circular", 0.658, "profile lmms-eval; dev, English, circular", "Janus #205"),
    ),
    "MMMU": (
        Published("janus-1.3b", "mmmu.overall", 0.305, "profile janus; validation", REPORT),
        Published("janus-1.3b", "mmmu.overall", 0.312, "profile janus; validation", PULL_REQUEST),
        Published("janus-pro-1b", "mmmu.overall", 0.363, f"profile janus, {_AS_BEFORE}; validation", REPORT),
        Published("janus-pro-1b", "mmmu.overall", 0.349, "profile janus; validation", RERUN),
        Published("janus-pro-7b", "mmmu.overall", 0.410, f"profile janus, {_AS_BEFORE}; validation", REPORT),
    ),
    "MM-Vet": (
        Published("janus-1.3b", "mm_vet.total", 0.343, "profile janus; the official evaluator on the hub", REPORT),
        Published("janus-1.3b", "mm_vet.total", 0.368, "profile janus, extraction vlmevalkit", PULL_REQUEST),
        Published("janus-pro-1b", "mm_vet.total", 0.398, f"profile janus; {_UNDOCUMENTED}: which judge", REPORT),
        Published("janus-pro-1b", "mm_vet.total", 0.353, "profile janus, extraction vlmevalkit", RERUN),
        Published("janus-pro-7b", "mm_vet.total", 0.500, f"profile janus; {_UNDOCUMENTED}: which judge", REPORT),
    ),
}
"""The published scores by benchmark."""
