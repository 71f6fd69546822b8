"""The pathways of a recipe: their modes, their parts, and what they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from ..errors import nearest
from .grammar import HEAD_KEYS, PATHWAY_MODES, PATHWAY_PARTS, TABLES, Mode, is_pathway
from .part import Share, Use
from .part_reader import DEFAULT, PartReader
from .positions import Path
from .recipe import Pathway
from .report import Report
from .tree import Node, Table, dotted, plain
from .values import got

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_BELONGING: dict[Mode, tuple[str, ...]] = {
    "look": ("tiling", "encoder", "tokenizer", "embedding", "adapter"),
    "draw": ("tokenizer", "embedding", "adapter", "head", "sampler"),
}

Own = dict[str, Use | Share | None]
"""Parts by kind; None where a part is there but has a mistake, which is reported already."""


class Pathways:
    """Reads every pathway of a tree: first each by itself, then what they share of each other."""

    def __init__(self, tree: Table, parts: PartReader, report: Report) -> None:
        self.parts = parts
        self.report = report
        self.tables = {name: table for name, node in tree.entries.items() if (table := self._table(name, node))}
        self.modes = {name: self._mode(name, table) for name, table in self.tables.items()}
        self.own: dict[str, Own] = {name: self._own_parts(name, table) for name, table in self.tables.items()}
        self.whole: dict[str, Own] = {}

    def read(self) -> dict[str, Pathway]:
        """The pathways by name, the usual two first, with every share followed to the part that is built."""
        names = [*(name for name in PATHWAY_MODES if name in self.tables), *self.tables]
        for name in self.tables:
            self._expand(name, ())
        return {
            name: Pathway(
                name, self.modes[name], {kind: part for kind in PATHWAY_PARTS if (part := self._final(name, kind))}
            )
            for name in dict.fromkeys(names)
        }

    def _table(self, name: str, node: Node) -> Table | None:
        """The table of a pathway, None where the name is that of something else or of nothing."""
        if not is_pathway((name,)):
            return None
        if not isinstance(node, Table):
            if name in PATHWAY_MODES:
                self.report.add(f"expected a table, got {got(plain(node))}", (name,), node.origin)
            else:
                self.report.add("unknown key", (name,), node.origin, nearest(name, (*HEAD_KEYS, *TABLES)))
            return None
        if name not in PATHWAY_MODES and "mode" not in node.entries:
            known = nearest(name, TABLES)
            further = 'a further pathway says mode = "look" or mode = "draw"'
            if known.startswith("did"):
                self.report.add("unknown table", (name,), node.origin, f"{known}; {further}")
            else:
                self.report.missing("unknown table", (name,), node.origin, further)
            return None
        if not NAME.fullmatch(name):
            hint = "letters, digits, - and _, not beginning with a digit"
            self.report.add("is no name for a pathway", (name,), node.origin, hint)
        return node

    def _mode(self, name: str, table: Table) -> Mode:
        usual, node = PATHWAY_MODES.get(name), table.entries.get("mode")
        path = (name, "mode")
        if node is None:
            self.parts.origins[dotted(path)] = DEFAULT
            return usual or "look"
        mode = plain(node)
        self.parts.origins[dotted(path)] = node.origin
        if mode not in get_args(Mode):
            self.report.add(f'expected "look" or "draw", got {got(mode)}', path, node.origin)
            return usual or "look"
        if usual and mode != usual:
            hint = "give the pathway another name"
            self.report.add(f'{name} always has the mode "{usual}"', path, node.origin, hint)
        return mode  # type: ignore[no-any-return]

    def _own_parts(self, name: str, table: Table) -> Own:
        own: Own = {}
        for kind, node in table.entries.items():
            if kind in ("mode", "share"):
                continue
            path = (name, kind)
            if kind not in PATHWAY_PARTS:
                self.report.add("unknown part", path, node.origin, nearest(kind, (*PATHWAY_PARTS, "mode", "share")))
            elif isinstance(node, Table) and "share" in node.entries:
                own[kind] = self._share(path, node)
            else:
                hint = (
                    f"{name} shares '{shared}': set that, or name a component here"
                    if (shared := table.text("share"))
                    else ""
                )
                own[kind] = self.parts.use(path, kind, node, hint)
        return own

    def _share(self, path: Path, table: Table) -> Share | None:
        node = table.entries["share"]
        target = plain(node)
        if not isinstance(target, str):
            self.report.add(f"expected the path of a part, got {got(target)}", (*path, "share"), node.origin)
            return None
        for name, extra in table.entries.items():
            if name != "share":
                hint = f"set {target}.{name}, or name a component here instead of sharing one"
                message = "a shared part has no settings of its own"
                self.report.add(message, (*path, name), extra.origin, hint)
        self.parts.origins[dotted((*path, "share"))] = node.origin
        return Share(target)

    def _expand(self, name: str, chain: tuple[str, ...]) -> Own:
        """All parts of a pathway: its own, those of the pathway that it shares, and the ones that go without saying."""
        if name in self.whole:
            return self.whole[name]
        table, mode, whole = self.tables[name], self.modes[name], dict(self.own[name])
        node = table.entries.get("share")
        if node is not None and (target := self._shared_pathway(name, node, chain)):
            below = self._expand(target, (*chain, name))
            for kind in _BELONGING[mode]:
                if kind in below and kind not in whole and not self._other_way(kind, self.own[name]):
                    whole[kind] = Share(f"{target}.{kind}")
                    self.parts.origins[f"{name}.{kind}.share"] = node.origin
        reads_codes = mode == "draw" or "tokenizer" in whole
        for kind, wanted in (("embedding", reads_codes), ("sampler", mode == "draw")):
            if wanted and kind not in whole:
                whole[kind] = self.parts.use((name, kind), kind, Table({}, DEFAULT))
        self.whole[name] = whole
        return whole

    def _other_way(self, kind: str, own: Mapping[str, object]) -> bool:
        """Whether a looking pathway has chosen tokens over an encoder, or the reverse, and so needs no such part."""
        return ("tokenizer" in own and kind == "encoder") or ("encoder" in own and kind in ("tokenizer", "embedding"))

    def _shared_pathway(self, name: str, node: Node, chain: tuple[str, ...]) -> str | None:
        target, path = plain(node), (name, "share")
        if not isinstance(target, str):
            self.report.add(f"expected the name of a pathway, got {got(target)}", path, node.origin)
        elif target in (*chain, name):
            self.report.add(f"shares itself: {' → '.join([*chain, name, target])}", path, node.origin)
        elif target not in self.tables:
            hint = nearest(target, set(self.tables) - {name})
            self.report.missing(f"shares '{target}', which is no pathway of this recipe", path, node.origin, hint)
        else:
            return target
        return None

    def _final(self, name: str, kind: str) -> Use | Share | None:
        """A part as it stands in the recipe: a use, or a share of one."""
        part, path, seen = self.whole[name].get(kind), f"{name}.{kind}", [f"{name}.{kind}"]
        if not isinstance(part, Share):
            return part
        origin = self.parts.origins[f"{path}.share"]
        at: Use | Share | None = part
        while isinstance(at, Share):
            target = at.path
            pathway, _, target_kind = target.partition(".")
            if target in seen:
                self.report.add(f"shares itself: {' → '.join([*seen, target])}", (name, kind), origin)
                return None
            if target_kind not in self.whole.get(pathway, {}):
                hint = nearest(target, self._alike(name, kind)) or f"the recipe has no other {kind}"
                self.report.missing(f"shares '{target}', which is no part of this recipe", (name, kind), origin, hint)
                return None
            if target_kind != kind:
                same = self._alike(name, kind)
                hint = f"share {' or '.join(same)}" if same else ""
                message = f"shares '{target}', which is of kind {target_kind}, not {kind}"
                self.report.add(message, (name, kind), origin, hint)
                return None
            seen.append(target)
            at = self.whole[pathway][target_kind]
        return Share(seen[-1]) if at is not None else None

    def _alike(self, name: str, kind: str) -> list[str]:
        """Parts of a kind in other pathways."""
        return sorted(f"{other}.{kind}" for other, parts in self.whole.items() if kind in parts and other != name)
