"""What must agree between parts beside their own declarations. Each check names both ends and what would fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ports import Codes, Features, Grid, Hidden, Logits, Port
from .diagnostics import Findings
from .plan import PartPlan

TEXT_ROOM = 16
"""Positions that must be left beside a picture: markers, roles and a few words."""


def check_text(vocabulary: int, hidden: Hidden, findings: Findings) -> None:
    """Every id of the text tokenizer needs a row in the backbone's embedding."""
    if vocabulary > hidden.vocabulary:
        backbone = findings.end("backbone", "vocabulary")
        findings.add(
            "text",
            f"{findings.component('text')} has ids up to {vocabulary}, but {backbone} has embeddings for "
            f"{hidden.vocabulary}",
            f"a text vocabulary of at most {hidden.vocabulary} would fit, or a backbone of at least {vocabulary}",
        )


def check_count(path: str, features: Features, codes: Codes, findings: Findings) -> None:
    """Where codes are drawn or looked at, each of them is one position."""
    if features.tokens != codes.tokens:
        findings.add(
            path,
            f"{findings.component(path)} gives {features}, but each of the {codes.tokens} codes takes one position",
            f"what gives {codes.tokens} tokens would fit",
        )


def check_alone(path: str, config: Any, features: Features, hidden: Hidden, findings: Findings) -> None:
    """A picture is drawn code by code, so an adapter that draws must make one vector of one.

    One that mixes the picture's codes cannot, though it may give as many as there are: it would be trained on codes
    that are not drawn yet.
    """
    one = Features(1, features.width, features.grid and Grid(1, 1))
    try:
        given = config.adapt(one, hidden).tokens
    except Exception:  # a Misfit, or whatever a plugin raises: the whole picture was no problem, one code of it is
        given = 0
    if given != 1:
        findings.add(
            path,
            f"{findings.component(path)} mixes the codes of a picture, but they are drawn one after the other, and the "
            "backbone reads each before the next is there",
            "what maps each alone would fit",
        )


def check_width(path: str, features: Features, hidden: Hidden, findings: Findings) -> None:
    if features.width != hidden.width:
        findings.add(
            path,
            f"{findings.component(path)} gives {features}, but {findings.end('backbone')} takes {hidden}",
            f"what gives a width of {hidden.width} would fit",
        )


def check_head(path: str, logits: Logits, tokenizer: str, codes: Codes, findings: Findings) -> None:
    if (logits.vocabulary, logits.depth) != (codes.vocabulary, codes.depth):
        findings.add(
            path,
            f"{findings.component(path)} gives {logits}, but {findings.end(tokenizer)} has {codes}",
            f"a head over {codes.vocabulary} codes of depth {codes.depth} would fit",
        )


def check_context(path: str, tokens: int, hidden: Hidden, findings: Findings) -> None:
    """A picture must leave room for some text in the backbone's context."""
    if tokens + TEXT_ROOM > hidden.context:
        findings.add(
            path,
            f"one picture takes {tokens} positions with {findings.component(path)}, but "
            f"{findings.end('backbone', 'context')} has a context of {hidden.context}, which leaves no room for text",
            f"a context of at least {tokens + TEXT_ROOM} would fit, or fewer tokens a picture",
        )


def check_shares(parts: Mapping[str, PartPlan], findings: Findings) -> None:
    """A shared part is made for the ports of its owner, so it must meet the same ones everywhere."""
    for path, part in parts.items():
        if part.owner is None or part.owner not in parts:
            continue
        made_for: Mapping[str, Port] = parts[part.owner].inputs
        for name, port in part.inputs.items():
            if made_for.get(name, port) != port:
                findings.add(
                    path,
                    f"shares {findings.end(part.owner)}, which is made for {made_for[name]}, but is given {port} here",
                    f"give {path} a {{ use = … }} of its own, or share what stands before it too",
                )
