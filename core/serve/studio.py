"""The page at ``/``, and what it shows of a model beside OpenAI's API: diagram, parts and settings of the sampler."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import attrs
from fastapi import APIRouter, Request
from starlette.responses import Response

from ..components.fields import config_fields
from ..components.kinds import KINDS
from ..diagram.graph import graph, label_of
from ..diagram.placement import place
from ..inference.generate.sampler import sampler_use
from ..measure.costs import measure
from .errors import json_response
from .service import service_of

if TYPE_CHECKING:
    from ..compose.plan import Plan
    from ..diagram.graph import Node
    from ..diagram.placement import Box
    from ..measure.costs import Costs
    from .served import ServedModel

router = APIRouter()

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> Response:
    """The studio. Its scripts and styles are below ``/static/``."""
    html = files(__package__).joinpath("static", "index.html").read_text(encoding="utf-8")
    return Response(html, headers=_HEADERS, media_type="text/html")


@router.get("/static/palette.css")
async def palette() -> Response:
    """The colours that all pages of janiform have."""
    css = files("janiform.report").joinpath("palette.css").read_text(encoding="utf-8")
    return Response(css, media_type="text/css")


@router.get("/studio/models/{name:path}")
async def model(name: str, request: Request) -> Response:
    """A model's diagram, its parts, and the settings with which it draws."""
    served = service_of(request).model(name)
    return json_response(await served.pool.run(described, served))


def described(served: ServedModel) -> dict[str, Any]:
    """What the studio shows of a model, as JSON."""
    plan = served.model.model.plan
    costs = measure(plan)
    return {
        "id": served.name,
        "recipe": plan.recipe.name,
        "description": plan.recipe.description,
        "weights_sha256": served.model.digest,
        "parameters": costs.parameters,
        "sampler": _sampler(served, plan),
        "parts": _parts(plan, costs),
        "diagram": _diagram(plan, costs),
    }


def _sampler(served: ServedModel, plan: Plan) -> dict[str, Any] | None:
    """The sampler that draws, and those of its settings that matter while drawing."""
    if not served.can("draw"):
        return None
    use = sampler_use(plan, served.model.pathway("draw"))
    training = {
        attribute.alias or attribute.name
        for attribute in attrs.fields(type(use.config))
        if attribute.metadata.get("training")
    }
    settings = [
        {
            "name": field.name,
            "type": field.type_name,
            "value": getattr(use.config, field.name, None),
            "help": field.help,
            "choices": list(get_args(field.type)) if get_origin(field.type) is Literal else [],
        }
        for field in config_fields(type(use.config))
        if field.name not in training
    ]
    return {"use": use.component.reference, "settings": settings}


def _parts(plan: Plan, costs: Costs) -> list[dict[str, Any]]:
    """The parts that are built, with what enters and leaves each."""
    parts: list[dict[str, Any]] = []
    for path, part in plan.parts.items():
        if part.owner is not None:
            continue
        inputs = [" ".join((name, *label_of(port))) for name, port in part.inputs.items()]
        parts.append(
            {
                "path": path,
                "component": part.use.component.reference,
                "kind": part.use.kind,
                "summary": part.use.component.summary,
                "plugin": f"{part.use.component.distribution} {part.use.component.distribution_version}".strip(),
                "parameters": costs.parts[path].parameters if path in costs.parts else None,
                "inputs": inputs,
                "output": None if part.output is None else " ".join(label_of(part.output)),
                "shared_with": [other for other, owner in plan.shared.items() if owner == path],
            }
        )
    return parts


def _diagram(plan: Plan, costs: Costs) -> dict[str, Any]:
    """The nodes and arrows of ``janiform show --diagram``, with their positions in pixels."""
    drawn = graph(plan, costs)
    placed = place(drawn)
    return {
        "title": drawn.title,
        "caption": drawn.caption,
        "width": placed.width,
        "height": placed.height,
        "columns": [
            {"heading": heading, **_box(box)} for heading, box in zip(drawn.columns, placed.columns, strict=True)
        ],
        "nodes": [
            {"key": node.key, "colour": _colour(node), "lines": list(node.lines), **_box(placed.boxes[node.key])}
            for node in drawn.nodes
        ],
        "arrows": [
            {
                "path": route.path,
                "label": list(route.label),
                "x": route.x,
                "y": route.y,
                "anchor": route.anchor,
                "back": route.back,
                "both": route.arrow.both,
            }
            for route in placed.routes
        ],
    }


def _colour(node: Node) -> str:
    """The name of a node's colour; empty for inputs and outputs."""
    return (KINDS[node.kind].colour or "") if node.kind in KINDS else ""


def _box(box: Box) -> dict[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
