"""The pathways of a recipe: their modes, their parts, and the parts that they share."""

from __future__ import annotations

import re
from typing import get_args

from ..components.kinds import KINDS, PATHWAY_PARTS, Mode, route_of, slots, slots_of, slots_only
from ..errors import nearest
from .grammar import HEAD_KEYS, PATHWAY_KEYS, PATHWAY_MODES, TABLES, is_pathway
from .part import Share, Use
from .part_reader import DEFAULT, PartReader
from .positions import KeyPath
from .problems import ProblemList
from .recipe import Pathway
from .tree import Node, Table, dotted, plain
from .values import got

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Own = dict[str, Use | Share | None]
"""Parts by kind; None where a part has a problem, which is added already."""


class Pathways:
    """Reads every pathway of a tree: first each by itself, then the parts that they share."""

    def __init__(self, tree: Table, parts: PartReader, problems: ProblemList) -> None:
        self.parts = parts
        self.problems = problems
        self.tables = {name: table for name, node in tree.entries.items() if (table := self._table(name, node))}
        self.modes = {name: self._mode(name, table) for name, table in self.tables.items()}
        self.own: dict[str, Own] = {name: self._own_parts(name, table) for name, table in self.tables.items()}
        self.whole: dict[str, Own] = {}

    def read(self) -> dict[str, Pathway]:
        """The pathways by name, the usual two first, with every share resolved to the part that is built."""
        names = [*(name for name in PATHWAY_MODES if name in self.tables), *self.tables]
        for name in self.tables:
            self._expand(name, ())
        return {
            name: Pathway(
                name,
                self.modes[name],
                {kind: part for kind in PATHWAY_PARTS if (part := self._final(name, kind))},
                self._transform(name),
                self._route(name),
            )
            for name in dict.fromkeys(names)
        }

    def _table(self, name: str, node: Node) -> Table | None:
        """The table of a pathway; None where the name does not belong to one."""
        if not is_pathway((name,)):
            return None
        if not isinstance(node, Table):
            if name in PATHWAY_MODES:
                self.problems.add(f"expected a table, got {got(plain(node))}", (name,), node.origin)
            else:
                self.problems.add("unknown key", (name,), node.origin, nearest(name, (*HEAD_KEYS, *TABLES)))
            return None
        if name not in PATHWAY_MODES and "mode" not in node.entries:
            similar = nearest(name, TABLES)
            further = 'another pathway needs mode = "look" or mode = "draw"'
            if similar.startswith("did"):
                self.problems.add("unknown table", (name,), node.origin, f"{similar} {further}")
            else:
                self.problems.missing("unknown table", (name,), node.origin, further)
            return None
        if not NAME.fullmatch(name):
            hint = "use letters, digits, - and _, and do not begin with a digit"
            self.problems.add("is not a valid name for a pathway", (name,), node.origin, hint)
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
            self.problems.add(f'expected "look" or "draw", got {got(mode)}', path, node.origin)
            return usual or "look"
        if usual and mode != usual:
            hint = "give the pathway another name"
            self.problems.add(f'{name} always has the mode "{usual}"', path, node.origin, hint)
        return mode  # type: ignore[no-any-return]

    def _route(self, name: str) -> str:
        """The set of the backbone's weights that its positions use; empty for that of the text."""
        node = self.tables[name].entries.get("route")
        if node is None:
            return ""
        if not isinstance(value := plain(node), str) or not value:
            self.problems.add(f"expected the name of a route, got {got(value)}", (name, "route"), node.origin)
            return ""
        self.parts.origins[dotted((name, "route"))] = node.origin
        return value

    def _transform(self, name: str) -> str:
        """The pathway by whose transform pictures become pixels; empty for its own."""
        node, path = self.tables[name].entries.get("transform"), (name, "transform")
        if node is None:
            return ""
        self.parts.origins[dotted(path)] = node.origin
        target = plain(node)
        if not isinstance(target, str):
            self.problems.add(f"expected the name of a pathway, got {got(target)}", path, node.origin)
        elif target == name or target not in self.tables:
            hint = nearest(target, set(self.tables) - {name})
            self.problems.missing(f"'{target}' is not another pathway of this recipe", path, node.origin, hint)
        elif "transform" in self.tables[target].entries:
            self.problems.add(f"'{target}' has the transform of a pathway itself", path, node.origin)
        else:
            return target
        return ""

    def _own_parts(self, name: str, table: Table) -> Own:
        own: Own = {}
        for kind, node in table.entries.items():
            if kind in PATHWAY_KEYS:
                continue
            path = (name, kind)
            if kind not in PATHWAY_PARTS:
                self.problems.add("unknown part", path, node.origin, nearest(kind, (*PATHWAY_PARTS, *PATHWAY_KEYS)))
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

    def _share(self, path: KeyPath, table: Table) -> Share | None:
        node = table.entries["share"]
        target = plain(node)
        if not isinstance(target, str):
            self.problems.add(f"expected the path of a part, got {got(target)}", (*path, "share"), node.origin)
            return None
        for name, extra in table.entries.items():
            if name != "share":
                hint = f"set {target}.{name}, or name a component here instead of sharing one"
                message = "a shared part has no settings of its own"
                self.problems.add(message, (*path, name), extra.origin, hint)
        self.parts.origins[dotted((*path, "share"))] = node.origin
        return Share(target)

    def _expand(self, name: str, chain: tuple[str, ...]) -> Own:
        """All parts of a pathway: its own, those of the pathway that it shares, and the defaults."""
        if name in self.whole:
            return self.whole[name]
        table, mode, whole = self.tables[name], self.modes[name], dict(self.own[name])
        node = table.entries.get("share")
        if node is not None and (target := self._shared_pathway(name, node, chain)):
            below = self._expand(target, (*chain, name))
            for kind in self._shareable(name):
                if kind in below and kind not in whole:
                    whole[kind] = Share(f"{target}.{kind}")
                    self.parts.origins[f"{name}.{kind}.share"] = node.origin
        for kind in slots(route_of(mode, whole)):
            if KINDS[kind].default and kind not in whole:
                whole[kind] = self.parts.use((name, kind), kind, Table({}, DEFAULT))
        self.whole[name] = whole
        return whole

    def _shareable(self, name: str) -> tuple[str, ...]:
        """The kinds that a pathway may take from another: those of its route, where its own parts decide the route."""
        mode, own = self.modes[name], self.own[name]
        decisive = {*slots_only("features", "codes"), *slots_only("codes", "features")}
        return slots_of(mode) if decisive.isdisjoint(own) else slots(route_of(mode, own))

    def _shared_pathway(self, name: str, node: Node, chain: tuple[str, ...]) -> str | None:
        target, path = plain(node), (name, "share")
        if not isinstance(target, str):
            self.problems.add(f"expected the name of a pathway, got {got(target)}", path, node.origin)
        elif target in (*chain, name):
            self.problems.add(f"shares itself: {' → '.join([*chain, name, target])}", path, node.origin)
        elif target not in self.tables:
            hint = nearest(target, set(self.tables) - {name})
            self.problems.missing(f"shares '{target}', which is not a pathway of this recipe", path, node.origin, hint)
        else:
            return target
        return None

    def _final(self, name: str, kind: str) -> Use | Share | None:
        """A part of the resolved recipe: a use, or a share of one."""
        part, path, chain = self.whole[name].get(kind), f"{name}.{kind}", [f"{name}.{kind}"]
        if not isinstance(part, Share):
            return part
        origin = self.parts.origins[f"{path}.share"]
        current: Use | Share | None = part
        while isinstance(current, Share):
            target = current.path
            pathway, _, target_kind = target.partition(".")
            if target in chain:
                self.problems.add(f"shares itself: {' → '.join([*chain, target])}", (name, kind), origin)
                return None
            if target_kind not in self.whole.get(pathway, {}):
                hint = nearest(target, self._same_kind(name, kind)) or f"the recipe has no other {kind}"
                self.problems.missing(
                    f"shares '{target}', which is not a part of this recipe", (name, kind), origin, hint
                )
                return None
            if target_kind != kind:
                others = self._same_kind(name, kind)
                hint = f"share {' or '.join(others)}" if others else ""
                message = f"shares '{target}', which is of kind {target_kind}, not {kind}"
                self.problems.add(message, (name, kind), origin, hint)
                return None
            chain.append(target)
            current = self.whole[pathway][target_kind]
        return Share(chain[-1]) if current is not None else None

    def _same_kind(self, name: str, kind: str) -> list[str]:
        """Parts of a kind in other pathways."""
        return sorted(f"{other}.{kind}" for other, parts in self.whole.items() if kind in parts and other != name)
