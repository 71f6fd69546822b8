"""Diagrams hold every part once and every edge with its shape, and are what their suffix says."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from janiform import UsageError
from janiform.compose import Plan, compose
from janiform.diagram.diagram import diagram_mermaid, diagram_svg, write_diagram
from janiform.diagram.graph import graph
from janiform.diagram.placement import place
from janiform.measure.costs import measure
from janiform.recipe import Share
from tiny_parts import Code, draw, look, recipe, shared, use

TEXT = "{http://www.w3.org/2000/svg}text"

PLANS = {
    "text alone": recipe(),
    "one": recipe(draw()),
    "two": recipe(look(), draw()),
    "coupled": recipe(shared("tokenizer", "embedding", "adapter"), draw()),
    "three": recipe(
        look(),
        draw(),
        draw("painting", tokenizer=use("tokenizer", Code(vocabulary=7)), adapter=Share("generation.adapter")),
    ),
}


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return compose(PLANS[request.param])


def test_svg_holds_every_part_once(plan: Plan) -> None:
    texts = ["".join(element.itertext()) for element in ElementTree.fromstring(diagram_svg(plan)).iter(TEXT)]
    owners = {path for path, part in plan.parts.items() if part.owner is None}
    assert sorted(text for text in texts if text in plan.parts) == sorted([*owners, "text"])  # and a heading


def test_svg_draws_every_edge_with_its_shape(plan: Plan) -> None:
    svg = diagram_svg(plan)
    arrows = graph(plan).arrows
    assert svg.count("marker-end") == len(arrows)
    for arrow in arrows:
        assert arrow.label[-1] in svg
    drawn = [(arrow.source, arrow.target) for arrow in arrows]
    assert all((edge.from_path, edge.to_path) in drawn for edge in plan.edges)


def test_svg_needs_nothing_else_and_knows_dark_pages(plan: Plan) -> None:
    svg = diagram_svg(plan)
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"(href|src)=|@import|url\((?!#)", svg)


def test_boxes_do_not_overlap_and_lie_inside(plan: Plan) -> None:
    placed = place(graph(plan, measure(plan)))
    for one, other in combinations(placed.boxes.values(), 2):
        apart = one.right <= other.x or other.right <= one.x or one.bottom <= other.y or other.bottom <= one.y
        assert apart
    assert all(box.x >= 0 and box.right < placed.width and box.bottom < placed.height for box in placed.boxes.values())


def test_costs_are_written_on_the_parts() -> None:
    plan = compose(PLANS["two"])
    costs = measure(plan)
    for text in (diagram_svg(plan, costs), diagram_mermaid(plan, costs)):
        assert "tiny@1 · 464 parameters" in text
        assert "[B, 3, 8, 8]" in text
    assert "867 parameters" in diagram_svg(plan, costs)


def test_a_shared_part_says_with_whom() -> None:
    assert "shared with understanding" in diagram_svg(compose(PLANS["coupled"]))


def test_mermaid_is_a_flowchart(plan: Plan) -> None:
    first, *lines = diagram_mermaid(plan).splitlines()
    assert first == "flowchart TD"
    declared = set()
    for line in map(str.strip, lines):
        if node := re.fullmatch(r'(n\d+)(\(\["[^"]+"\]\)|\["[^"]+"\])', line):
            declared.add(node[1])
        elif arrow := re.fullmatch(r'(n\d+) <?-->\|"[^"]+"\| (n\d+)', line):
            assert {arrow[1], arrow[2]} <= declared
        else:
            assert re.fullmatch(r'subgraph c\d+\["[^"]+"\]|end', line)


def test_names_cannot_break_out_of_a_diagram() -> None:
    from attrs import evolve

    plan = compose(evolve(PLANS["one"], name='<b>"x" & y', description="</svg>"))
    svg = diagram_svg(plan)
    assert ElementTree.fromstring(svg).get("aria-label") == 'The model <b>"x" & y'
    assert svg.count("</svg>") == 1


def test_written_by_suffix(tmp_path: Path) -> None:
    plan = compose(PLANS["one"])
    write_diagram(plan, tmp_path / "a.svg")
    write_diagram(plan, tmp_path / "a.mmd")
    write_diagram(plan, tmp_path / "a.MD")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == diagram_svg(plan)
    assert (tmp_path / "a.MD").read_text(encoding="utf-8") == f"```mermaid\n{diagram_mermaid(plan)}```\n"
    with pytest.raises(
        UsageError, match=r"a\.png' has the suffix '\.png'; .*\.svg for a picture, or \.mmd or \.md for Mermaid"
    ):
        write_diagram(plan, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
