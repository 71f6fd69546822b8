"""Which parts a pathway is made of, and whose weights each of them uses."""

from __future__ import annotations

from typing import Any

from ..errors import nearest
from ..recipe import Pathway, Recipe, Share
from .diagnostics import Findings
from .slots import DRAW, LOOK_THROUGH_CODES, LOOK_THROUGH_ENCODER, VERBS


def find_owners(recipe: Recipe, findings: Findings) -> dict[str, str]:
    """Owners by path, of the parts that belong. What is missing, foreign or wrongly shared goes to the findings."""
    owners = {path: path for path in ("backbone", "text", "layout")}
    for path in owners:
        _check_kind(path, path, path, findings)
    for pathway in recipe.pathways.values():
        for role in _roles(pathway, findings):
            path = f"{pathway.name}.{role}"
            owner = _follow(path, findings)
            if owner is not None and _check_kind(path, owner, role, findings):
                owners[path] = owner
    return owners


def _roles(pathway: Pathway, findings: Findings) -> list[str]:
    """The parts of a pathway that are there and belong there, in the order of the data."""
    expected: tuple[str, ...] = DRAW
    if pathway.mode == "look":
        through_codes = "encoder" not in pathway.parts and {"tokenizer", "embedding"} & set(pathway.parts)
        expected = LOOK_THROUGH_CODES if through_codes else LOOK_THROUGH_ENCODER

    missing = [role for role in expected if role not in pathway.parts]
    if "encoder" in missing:
        missing.remove("encoder")
        findings.add(
            pathway.name,
            "looks at pictures, but has neither an encoder nor a tokenizer to look with",
            'add encoder = { use = "…" } (`janiform components encoder` lists them), or a tokenizer and an embedding',
        )
    for role in missing:
        findings.add(
            pathway.name,
            f"{VERBS[pathway.mode]} and so needs {_article(role)}, which is missing",
            f'add {role} = {{ use = "…" }} to [{pathway.name}]; `janiform components {role}` lists what there is',
        )
    optional = ("tiling",) if pathway.mode == "look" else ()
    for role in pathway.parts:
        if role not in (*optional, *expected):
            findings.add(
                f"{pathway.name}.{role}",
                f"{_article(role)} does not belong in the pathway '{pathway.name}', which {VERBS[pathway.mode]}",
                f"its parts are {', '.join((*optional, *expected))}",
            )
    return [role for role in (*optional, *expected) if role in pathway.parts]


def _follow(path: str, findings: Findings) -> str | None:
    """The part at the end of a chain of shares."""
    at, seen = path, [path]
    while isinstance(entry := findings.entries[at], Share):
        if entry.path not in findings.entries:
            hint = nearest(entry.path, (known for known in findings.entries if known != path))
            findings.add(path, f"shares '{entry.path}', which is no part of this recipe", hint)
            return None
        at = entry.path
        if at in seen:
            findings.add(path, f"shares itself: {' → '.join([*seen, at])}", 'give one of them a { use = "…" }')
            return None
        seen.append(at)
    return at


def _check_kind(path: str, owner: str, kind: str, findings: Findings) -> bool:
    use: Any = findings.entries[owner]
    if use.kind == kind:
        return True
    alike = [
        other for other, entry in findings.entries.items() if getattr(entry, "kind", None) == kind and other != path
    ]
    hint = f"{_article(kind)} of this recipe: {', '.join(alike)}" if alike else f"this recipe has no other {kind}"
    deed = "is" if owner == path else f"shares {findings.end(owner)}, which is"
    findings.add(path, f"{deed} {_article(use.kind)}, where {_article(kind)} is needed", hint)
    return False


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
