"""Which parts a pathway consists of, and whose weights each of them uses."""

from __future__ import annotations

from typing import Any

from ..components.kinds import KINDS, SINGLE_PARTS, VERBS, route_of, slots
from ..errors import nearest
from ..recipe import Pathway, Recipe, Share
from .diagnostics import Diagnostics


def find_owners(recipe: Recipe, diagnostics: Diagnostics) -> dict[str, str]:
    """Owners by path, of the parts that belong. Parts that are missing, out of place or wrongly shared are problems."""
    owners = {path: path for path in SINGLE_PARTS if path in diagnostics.entries}
    for path in owners:
        _check_kind(path, path, path, diagnostics)
    for pathway in recipe.pathways.values():
        for kind in _kinds(pathway, diagnostics):
            path = f"{pathway.name}.{kind}"
            owner = _follow(path, diagnostics)
            if owner is not None and _check_kind(path, owner, kind, diagnostics):
                owners[path] = owner
    return owners


def _kinds(pathway: Pathway, diagnostics: Diagnostics) -> list[str]:
    """The parts of a pathway that are there and belong there, in the order of the data."""
    route = route_of(pathway.mode, pathway.parts)
    expected = slots(route)
    missing = [kind for kind in expected if kind not in pathway.parts and not KINDS[kind].optional]
    if "encoder" in missing:
        missing.remove("encoder")
        diagnostics.add(
            pathway.name,
            "looks at pictures, but has neither an encoder nor a tokenizer to look with",
            'add encoder = { use = "…" } (`janiform components encoder` lists them), or a tokenizer and an embedding',
        )
    for kind in missing:
        diagnostics.add(
            pathway.name,
            f"{VERBS[pathway.mode]} and so needs {_article(kind)}, which is missing",
            f'add {kind} = {{ use = "…" }} to [{pathway.name}]; `janiform components {kind}` lists the choices',
        )
    for kind in pathway.parts:
        if kind not in expected:
            diagnostics.add(
                f"{pathway.name}.{kind}",
                f"{_article(kind)} does not belong in the pathway '{pathway.name}', which {VERBS[pathway.mode]}",
                f"its parts are {', '.join(expected)}",
            )
    return [kind for kind in expected if kind in pathway.parts]


def _follow(path: str, diagnostics: Diagnostics) -> str | None:
    """The part at the end of a chain of shares."""
    current, chain = path, [path]
    while isinstance(entry := diagnostics.entries[current], Share):
        if entry.path not in diagnostics.entries:
            hint = nearest(entry.path, (other for other in diagnostics.entries if other != path))
            diagnostics.add(path, f"shares '{entry.path}', which is not a part of this recipe", hint)
            return None
        current = entry.path
        if current in chain:
            cycle = " → ".join([*chain, current])
            diagnostics.add(path, f"shares itself: {cycle}", 'give one of them a { use = "…" }')
            return None
        chain.append(current)
    return current


def _check_kind(path: str, owner: str, kind: str, diagnostics: Diagnostics) -> bool:
    use: Any = diagnostics.entries[owner]
    if use.kind == kind:
        return True
    same_kind = [
        other for other, entry in diagnostics.entries.items() if getattr(entry, "kind", None) == kind and other != path
    ]
    hint = (
        f"{_article(kind)} of this recipe: {', '.join(same_kind)}" if same_kind else f"this recipe has no other {kind}"
    )
    verb = "is" if owner == path else f"shares {diagnostics.describe(owner)}, which is"
    diagnostics.add(path, f"{verb} {_article(use.kind)}, where {_article(kind)} is needed", hint)
    return False


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
