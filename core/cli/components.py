"""``janiform components``: the components that recipes can name, and their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click

from ..components import KINDS, Component, ConfigField, config_fields
from ..components.registry import registry
from ..errors import Problem, UsageError, nearest
from .output import console, json_option, print_json, table

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("kind", required=False)
@json_option
def command(kind: str | None, as_json: bool) -> None:
    """List the components that recipes can name.

    With KIND, those of one kind with their presets and with the type, default and meaning of every setting.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(Problem(f"there is no kind of component called '{kind}'", hint=nearest(kind, KINDS)))
    components = registry().components(kind)
    if as_json:
        print_json({"components": [_plain(component) for component in components]})
    elif kind is None:
        _show_all(components)
    else:
        _show_kind(kind, components)


def _plain(component: Component) -> dict[str, Any]:
    return {
        "kind": component.kind,
        "name": component.name,
        "version": component.version,
        "summary": component.summary,
        "plugin": component.plugin,
        "distribution": component.distribution,
        "factory": component.factory,
        "config": [_plain_field(field) for field in config_fields(component.config)],
        "presets": component.presets,
    }


def _plain_field(field: ConfigField) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type_name,
        "required": field.required,
        "default": _value(field.default),
        "help": field.help,
    }


def _value(default: Any) -> Any:
    return attrs.asdict(default) if attrs.has(type(default)) else default


def _show_all(components: list[Component]) -> None:
    from rich.text import Text

    rows = table("Kind", "Component", "Description", "Plugin")
    last = ""
    for component in components:
        if last and component.kind != last:
            rows.add_section()
        rows.add_row(
            Text(component.kind if component.kind != last else "", style="cyan"),
            Text(component.reference, style="bold"),
            Text(component.summary),
            Text(component.plugin, style="dim"),
        )
        last = component.kind
    out = console()
    out.print(rows)
    out.print("'janiform components KIND' shows the settings.", style="dim")


def _show_kind(kind: str, components: list[Component]) -> None:
    out = console()
    if not components:
        out.print(f"No plugin has a component of the kind '{kind}' ({KINDS[kind].summary}).")
    for component in components:
        _show_component(component, out)


def _show_component(component: Component, out: Console) -> None:
    from rich.text import Text

    out.print(
        Text.assemble(
            (f"{component.kind} ", "cyan"),
            (component.reference, "bold"),
            f"  {component.summary}\n",
            (f"{component.provider}, {component.factory}", "dim"),
        ),
        soft_wrap=True,
    )
    rows = table("Setting", "Type", "Default", "Meaning")
    fields = config_fields(component.config)
    for field in fields:
        rows.add_row(
            Text(field.name, style="bold"), Text(field.type_name), Text(_default(field)), Text(field.help, style="dim")
        )
    out.print(rows if fields else Text("no settings", style="dim"))
    for preset, values in component.presets.items():
        settings = ", ".join(f"{name} = {_shown(value)}" for name, value in values.items())
        out.print(Text.assemble(("preset ", "cyan"), (preset, "bold"), f"  {settings}"))
    out.print()


def _default(field: ConfigField) -> str:
    if field.required:
        return "required"
    return "—" if field.default is None else _shown(field.default)


def _shown(value: Any) -> str:
    """The value as written in a recipe."""
    from ..recipe.values import toml_value  # imported late: it would double the time of `components --json`

    try:
        return toml_value(_value(value))
    except TypeError:  # a default that TOML lacks, such as an enumeration
        return str(value)
