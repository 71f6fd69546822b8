"""Recipe to plan: every part is asked for its port, given the ports it is connected to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ..errors import CompositionError
from ..ports import Codes, Features, Hidden, Logits, Port
from .checks import check_alone, check_context, check_count, check_head, check_shares, check_text, check_width
from .diagnostics import Findings
from .negotiate import ask
from .ownership import find_owners
from .plan import Edge, PartPlan, PathwayShape, Plan
from .vocabulary import check_rows

if TYPE_CHECKING:
    from ..recipe import Pathway, Recipe, Use


def compose(recipe: Recipe) -> Plan:
    """Connect the parts of a recipe and derive every width, without torch.

    Raises ``CompositionError`` with all problems at once: parts that are missing, foreign, wrongly shared, or that do
    not fit.
    """
    findings = Findings(recipe)
    composition = _Composition(findings, find_owners(recipe, findings))
    hidden = composition.backbone()
    pathways = {name: composition.pathway(pathway) for name, pathway in recipe.pathways.items()}
    shapes = {name: shape for name, shape in pathways.items() if shape is not None}
    check_shares(composition.parts, findings)
    if hidden is not None:
        check_rows(composition.parts, composition.owners, hidden, findings)
    if findings.problems or hidden is None:
        raise CompositionError(findings.problems)
    return Plan(recipe, hidden, composition.parts, tuple(dict.fromkeys(composition.edges)), shapes)


class _Composition:
    """One pass over a recipe. What stands behind a part with a problem is passed over, so nothing is told twice."""

    def __init__(self, findings: Findings, owners: Mapping[str, str]) -> None:
        self.findings = findings
        self.owners = owners
        self.parts: dict[str, PartPlan] = {}
        self.edges: list[Edge] = []
        self.hidden: Hidden | None = None

    def backbone(self) -> Hidden | None:
        """The backbone, and the parts that belong to no pathway."""
        self.configured("text")
        self.configured("layout")
        hidden = self.connected("backbone")
        if isinstance(hidden, Hidden):
            self.hidden = hidden
            if "text" in self.owners:
                check_text(getattr(self.use("text").config, "vocabulary", 0), hidden, self.findings)
        return self.hidden

    def pathway(self, pathway: Pathway) -> PathwayShape | None:
        """Pixels to codes or features, to the backbone, and from it to logits where the pathway draws."""
        name = pathway.name
        codes: Port | None = None
        if f"{name}.encoder" in self.owners:
            visual = source = f"{name}.encoder"
            features = self.connected(source)
        else:
            visual, source = f"{name}.tokenizer", f"{name}.embedding"
            codes = self.connected(visual)
            features = self.connected(source, codes=visual, hidden="backbone")
            self.flow(visual, source)
        adapted = self.connected(f"{name}.adapter", source=source, hidden="backbone")
        self.flow(source, f"{name}.adapter")
        self.flow(f"{name}.adapter", "backbone")

        if isinstance(codes, Codes):
            if isinstance(features, Features):
                check_count(source, features, codes, self.findings)
            if pathway.mode == "draw":
                self.drawing(name, codes)
        if not isinstance(adapted, Features) or self.hidden is None:
            return None
        check_width(f"{name}.adapter", adapted, self.hidden, self.findings)
        if isinstance(codes, Codes) and pathway.mode == "draw":
            self.adapts_codes(f"{name}.adapter", cast(Features, features), adapted, codes)
        tiling = f"{name}.tiling"
        self.configured(tiling)
        tiles = int(self.use(tiling).config.most) if tiling in self.owners else 1
        check_context(visual, adapted.tokens * tiles, self.hidden, self.findings)
        return PathwayShape(
            mode=pathway.mode,
            tokens=adapted.tokens,
            transform=self.use(visual).config.transform,
            codes=codes if isinstance(codes, Codes) else None,
            features=adapted,
            tiles=tiles,
        )

    def drawing(self, name: str, codes: Codes) -> None:
        """What stands behind the backbone: the head, and the sampler that turns logits into the tokenizer's codes."""
        tokenizer, head, sampler = f"{name}.tokenizer", f"{name}.head", f"{name}.sampler"
        logits = self.connected(head, hidden="backbone", codes=tokenizer)
        self.configured(sampler)
        if isinstance(logits, Logits):
            check_head(head, logits, tokenizer, codes, self.findings)
        self.flow("backbone", head)
        self.flow(head, sampler)
        self.flow(sampler, tokenizer, codes)

    def adapts_codes(self, path: str, source: Features, adapted: Features, codes: Codes) -> None:
        """One position for each code that is drawn, made of this code alone."""
        if adapted.tokens != codes.tokens:
            check_count(path, adapted, codes, self.findings)
        elif self.hidden is not None:
            check_alone(path, self.use(path).config, source, self.hidden, self.findings)

    def configured(self, path: str) -> None:
        """Take up a part that has no ports."""
        if path in self.owners:
            self.parts[path] = PartPlan(path, self.use(path), owner=self.sharer(path))

    def connected(self, path: str, **sources: str) -> Port | None:
        """Take up a part that is given the ports of ``sources`` (input name to path); the port that it gives."""
        inputs = {name: (source, self.output(source)) for name, source in sources.items()}
        given = {name: (source, port) for name, (source, port) in inputs.items() if port is not None}
        if path not in self.owners or len(given) < len(sources):
            return None
        output = ask(path, self.use(path), given, self.findings)
        ports = {name: port for name, (_, port) in given.items()}
        self.parts[path] = PartPlan(path, self.use(path), ports, output, self.sharer(path))
        return output

    def flow(self, source: str, target: str, port: Port | None = None) -> None:
        """Record that data passes from one part to another: what the first one gives, unless said otherwise."""
        port = port or self.output(source)
        if port is not None and source in self.owners and target in self.owners:
            self.edges.append(Edge(self.owners[source], self.owners[target], port))

    def output(self, path: str) -> Port | None:
        return self.parts[path].output if path in self.parts else None

    def use(self, path: str) -> Use:
        return cast("Use", self.findings.entries[self.owners[path]])

    def sharer(self, path: str) -> str | None:
        return self.owners[path] if self.owners[path] != path else None
