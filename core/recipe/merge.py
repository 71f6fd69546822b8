"""Merging trees: a later value replaces an earlier one, and a new component drops the settings of the old one."""

from __future__ import annotations

from collections.abc import Callable

from ..components.kinds import KINDS, slots_only
from .grammar import is_pathway, kind_at, looks
from .positions import KeyPath
from .tree import Table, dotted, leaves, overlay, plain
from .values import shown

Canonical = Callable[[str, str], str]
"""Kind and reference to the full reference, ("encoder", "siglip") to "siglip@1"; an unknown one is unchanged."""


class Merger:
    """Merges trees, and notes the settings that were dropped."""

    def __init__(self, canonical: Canonical) -> None:
        self.canonical = canonical
        self.notes: list[str] = []

    def merge(self, below: Table, above: Table) -> Table:
        """Lay the upper tree over the lower one; see ``overlay``."""
        return overlay(below, above, keep=self._kept)

    def _kept(self, below: Table, above: Table, path: KeyPath) -> Table:
        """The entries of the lower table that remain valid, since the upper one may choose another component."""
        kind = kind_at(path)
        if kind is None and not is_pathway(path):
            return below
        if "share" in above.entries:
            shared = above.text("share") or ""
            names = tuple(name for name in below.entries if name not in ("mode", "transform", "route"))
            return self._drop(below, names, f"shares '{shared}'", above, path, "share")
        if kind is None:
            return self._one_route(below, above, path)
        if "use" not in above.entries:
            return below
        if "share" in below.entries:
            return below.without("share")
        old, new = below.text("use") or KINDS[kind].default, above.text("use")
        if not old or new is None or self.canonical(kind, old) == self.canonical(kind, new):
            return below
        names = tuple(below.entries)
        return self._drop(below, names, f"'use' changed from {old} to {new}", above, path, "use")

    def _one_route(self, below: Table, above: Table, path: KeyPath) -> Table:
        """A pathway looks through either an encoder or a tokenizer: choosing one drops the other."""
        if not looks(path, above.text("mode") or below.text("mode")):
            return below
        by_features, by_codes = slots_only("features", "codes"), slots_only("codes", "features")
        replaced = {by_features[0]: by_codes, by_codes[0]: by_features}
        chosen = [kind for kind in replaced if kind in above.entries]
        if len(chosen) != 1:
            return below
        return self._drop(below, replaced[chosen[0]], f"looks through its {chosen[0]}", above, path, chosen[0])

    def _drop(
        self, below: Table, names: tuple[str, ...], reason: str, above: Table, path: KeyPath, cause: str
    ) -> Table:
        dropped = [
            f"{dotted(inner)} = {shown(plain(node))} ({node.origin})"
            for name in names
            if name not in ("use", "share") and name in below.entries
            for inner, node in leaves(below.entries[name], (name,))
        ]
        if dropped:
            self.notes.append(
                f"{dotted(path)}: {reason} at {above.entries[cause].origin}; dropped {', '.join(dropped)}"
            )
        return below.without(*names)
