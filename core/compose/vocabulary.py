"""A vocabulary that text and codes share: which ids belong to which. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..components.kinds import KINDS
from ..ports import Codes, Hidden, PortMismatch
from .diagnostics import Diagnostics

if TYPE_CHECKING:
    from .plan import PartPlan


def rows_of(part: PartPlan) -> range | None:
    """The ids of the backbone's vocabulary that are codes for a part; None where it has matrices of its own.

    Raises what the part's config raises.
    """
    rows: Any = getattr(part.use.config, "rows", None)
    if not KINDS[part.use.kind].borrows or not callable(rows) or not {"hidden", "drawn"} <= part.inputs.keys():
        return None
    drawn = part.inputs["drawn"]
    if not isinstance(drawn, Codes):
        return None
    return cast(range, rows(cast(Hidden, part.inputs["hidden"]), drawn))


def reserved(part: PartPlan) -> tuple[int, ...]:
    """The ids that a part takes beside those of the codes, such as that of a mask token."""
    return tuple(getattr(part.use.config, "reserved", ())) if KINDS[part.use.kind].borrows else ()


def text_ids(parts: Mapping[str, PartPlan], hidden: Hidden) -> tuple[range, ...]:
    """The ids that are left for text: all of the backbone's before the first code.

    Where the text tokenizer has tokens of its own for the codes, as in Chameleon, those after the codes as well.
    Reserved ids are not text, wherever they are.
    """
    taken = [(rows, in_text(part)) for part in parts.values() if (rows := rows_of(part)) is not None]
    taken += [(range(id, id + 1), True) for part in parts.values() for id in reserved(part)]
    stop = min([hidden.vocabulary, *(rows.start for rows, inside in taken if not inside)])
    free, start = [], 0
    for rows in sorted((rows for rows, inside in taken if inside), key=lambda rows: rows.start):
        free.append(range(start, min(rows.start, stop)))
        start = max(start, rows.stop)
    return tuple(ids for ids in (*free, range(start, stop)) if ids)


def in_text(part: PartPlan) -> bool:
    """Whether the text tokenizer has tokens for the codes that a part takes from the backbone's vocabulary."""
    return bool(getattr(part.use.config, "in_text", False))


def check_rows(
    parts: Mapping[str, PartPlan], owners: Mapping[str, str], hidden: Hidden, diagnostics: Diagnostics
) -> None:
    """One id means one thing: a token of the text, or a code of one tokenizer."""
    taken: dict[str, tuple[range, str]] = {}
    for path, part in parts.items():
        if part.owner is not None:
            continue
        try:
            rows = rows_of(part)
        except PortMismatch:  # reported already, with the part's port
            continue
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may fail in any way, and the error must name it
            source = f"rows(hidden, codes) of {part.use.component.reference} of {part.use.component.provider}"
            diagnostics.add(path, f"{source} failed: {type(error).__name__}: {error}", "fix the plugin")
            continue
        if rows is None:
            continue
        tokenizer = owners[f"{path.partition('.')[0]}.tokenizer"]
        for other, (other_rows, other_tokenizer) in taken.items():
            same = tokenizer == other_tokenizer and rows == other_rows
            if not same and max(rows.start, other_rows.start) < min(rows.stop, other_rows.stop):
                diagnostics.add(
                    path,
                    f"its codes are the backbone's ids {_span(rows)}, but {diagnostics.describe(other)} has "
                    f"{_span(other_rows)}",
                    "parts of one tokenizer take the same ids, and those of another take others: set 'first', and a "
                    "larger backbone.vocabulary where they do not fit",
                )
        taken[path] = rows, tokenizer
    for path, part in parts.items():
        for id in () if part.owner is not None else reserved(part):
            if other := next((other for other, (rows, _) in taken.items() if id in rows and other != path), ""):
                diagnostics.add(path, f"its id {id} is a code of {diagnostics.describe(other)}", "use another id")
    taken = {path: entry for path, entry in taken.items() if not in_text(parts[path])}
    if not taken or "text" not in parts:
        return
    path, (rows, _) = min(taken.items(), key=lambda entry: entry[1][0].start)
    texts = getattr(parts["text"].use.config, "vocabulary", 0)
    if rows.start < texts <= hidden.vocabulary:
        diagnostics.add(
            "text",
            f"{diagnostics.component('text')} has ids up to {texts}, but those from {rows.start} on are the codes of "
            f"{diagnostics.describe(path)}",
            f"use a backbone.vocabulary of {hidden.vocabulary + texts - rows.start}, or a text vocabulary of "
            f"at most {rows.start}",
        )


def _span(rows: range) -> str:
    return f"{rows.start} .. {rows.stop - 1}"
