"""The results of a prepared study, for its page."""

from __future__ import annotations

from .collect import collect
from .prepare import PreparedStudy
from .results import StudyResults
from .text import tokenizer_sentence


def results_of(prepared: PreparedStudy) -> StudyResults:
    """What the study's folder holds, with its budgets and its text tokenizers."""
    sentence = tokenizer_sentence(prepared.study, dict(prepared.tokenizers))
    return collect(prepared.study, prepared.folder, prepared.budgets, sentence)
