"""A vocabulary that text and codes share: which ids are whose. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..ports import Codes, Hidden, Misfit
from .diagnostics import Findings

if TYPE_CHECKING:
    from .plan import PartPlan

BORROWERS = ("embedding", "head")
"""The kinds that may work with the backbone's own matrices, see ``BorrowerConfig``."""


def rows_of(part: PartPlan) -> range | None:
    """The ids that a part takes of the backbone's vocabulary for codes; None where it has matrices of its own.

    Raises what the part's config raises.
    """
    rows: Any = getattr(part.use.config, "rows", None)
    if part.use.kind not in BORROWERS or not callable(rows) or not {"hidden", "codes"} <= part.inputs.keys():
        return None
    return cast(range, rows(cast(Hidden, part.inputs["hidden"]), cast(Codes, part.inputs["codes"])))


def text_ids(parts: Mapping[str, PartPlan], hidden: Hidden) -> int:
    """How many ids are left to the text: all of the backbone's that stand before those of codes."""
    return min([hidden.vocabulary, *(rows.start for part in parts.values() if (rows := rows_of(part)))])


def check_rows(parts: Mapping[str, PartPlan], owners: Mapping[str, str], hidden: Hidden, findings: Findings) -> None:
    """One id means one thing: a token of the text, or a code of one tokenizer."""
    taken: dict[str, tuple[range, str]] = {}
    for path, part in parts.items():
        if part.owner is not None:
            continue
        try:
            rows = rows_of(part)
        except Misfit:  # the part said so already when it was asked for its port
            continue
        except Exception as error:  # a plugin may fail in any way, and the user needs to know whose fault it is
            blame = f"rows(hidden, codes) of {part.use.component.reference} of {part.use.component.provider}"
            findings.add(path, f"{blame} failed: {type(error).__name__}: {error}", "mend the plugin")
            continue
        if rows is None:
            continue
        tokenizer = owners[f"{path.partition('.')[0]}.tokenizer"]
        for other, (theirs, whose) in taken.items():
            same = tokenizer == whose and rows == theirs
            if not same and max(rows.start, theirs.start) < min(rows.stop, theirs.stop):
                findings.add(
                    path,
                    f"its codes are the backbone's ids {_span(rows)}, but {findings.end(other)} has {_span(theirs)}",
                    "the same ids for the same tokenizer, and others for another: set 'first', and a larger "
                    "backbone.vocabulary where they do not fit",
                )
        taken[path] = rows, tokenizer
    if not taken or "text" not in parts:
        return
    path, (rows, _) = min(taken.items(), key=lambda entry: entry[1][0].start)
    texts = getattr(parts["text"].use.config, "vocabulary", 0)
    if rows.start < texts <= hidden.vocabulary:
        findings.add(
            "text",
            f"{findings.component('text')} has ids up to {texts}, but those from {rows.start} on are the codes of "
            f"{findings.end(path)}",
            f"a backbone.vocabulary of {hidden.vocabulary + texts - rows.start} would fit, or a text vocabulary of "
            f"at most {rows.start}",
        )


def _span(rows: range) -> str:
    return f"{rows.start} .. {rows.stop - 1}"
