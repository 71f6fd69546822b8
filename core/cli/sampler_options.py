"""Options for the settings of a sampler, made from the fields of its config.

Which sampler that is depends on the model that the command names, so the options are made while the command line is
parsed: a sampler of any plugin has options with its own names, types and help.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

import attrs
import click

from ..components.fields import ConfigField, config_fields
from ..errors import JaniformError

_KEY = f"{__name__}.options"
_PREFIX = "sampler_setting_"
"""Begins the options' names among the parameters of a command, so that they cannot be those of other options."""

_TYPES: dict[Any, click.ParamType[Any]] = {int: click.INT, float: click.FLOAT, bool: click.BOOL, str: click.STRING}


class SamplerCommand(click.Command):
    """A command whose first argument is a model, with an option for every setting of the model's sampler.

    The command gets them among its keyword arguments, from which ``sampler_settings`` takes them.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the model among the arguments, and parse them with the options of its sampler."""
        ctx.meta[_KEY] = list(_options(self._samplers(args), {name for param in self.params for name in param.opts}))
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters with those of the sampler, before --help."""
        params = super().get_params(ctx)
        return [*params[:-1], *ctx.meta.get(_KEY, ()), *params[-1:]]

    def _samplers(self, args: Sequence[str]) -> list[Any]:
        """The configs of the samplers of the first argument that names a model; that of the default sampler else."""
        options = [param for param in self.params if isinstance(param, click.Option) and not param.is_flag]
        takes_value = {name for option in options for name in option.opts}
        sampler = _value(args, "--sampler") or _recorded(_value(args, "--like"))
        value = False
        for argument in args:
            if value or argument.startswith("-"):
                value = not value and argument in takes_value
            elif configs := _configs_of(argument, sampler):
                return configs
        return [_default_config()]


def _value(args: Sequence[str], option: str) -> str:
    """The last value of an option on the command line; empty where it is not given."""
    value = ""
    for argument, after in zip(args, (*args[1:], ""), strict=True):
        name, equals, joined = argument.partition("=")
        if name == option:
            value = joined if equals else after
    return value


def _recorded(picture: str) -> str:
    """The sampler that drew a picture; empty where that is not known."""
    if not picture:
        return ""
    from ..pictures.provenance import provenance_of

    try:
        return provenance_of(picture).sampler
    except (JaniformError, OSError):  # the command reports what is wrong with the picture
        return ""


def sampler_settings(parameters: dict[str, Any]) -> dict[str, Any]:
    """Remove the settings of the sampler from a command's keyword arguments; returns those that were given."""
    names = [name for name in parameters if name.startswith(_PREFIX)]
    values = {name.removeprefix(_PREFIX): parameters.pop(name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _configs_of(model: str, sampler: str) -> list[Any]:
    """The configs of a model's samplers, or of another that draws in their place where it can.

    None where the text does not name a model that draws.
    """
    from ..compose.other_sampler import compose_with_sampler
    from ..recipe import Use
    from ..storage.contents import recipe_of
    from ..storage.locate import model_folder

    try:
        recipe, _ = recipe_of(str(model_folder(model)))
    except (JaniformError, OSError, ValueError):  # whoever opens the model reports what is wrong with it
        return []
    if sampler:
        with contextlib.suppress(JaniformError):  # whoever loads the model reports it, or takes the model's own
            recipe = compose_with_sampler(recipe, sampler).recipe
    return [part.config for path, part in recipe.parts() if path.endswith(".sampler") and isinstance(part, Use)]


def _default_config() -> Any:
    from ..components.kinds import KINDS
    from ..components.registry import registry

    return registry().find("sampler", KINDS["sampler"].default).config


def _options(configs: Sequence[Any], taken: set[str]) -> Iterator[click.Option]:
    """One option for every setting of config instances, or of config classes where the model is not known.

    Settings that only matter in training, whose fields say ``training`` in their metadata, have none.
    """
    settings: set[str] = set()
    for config in configs:
        made = config if isinstance(config, type) else type(config)
        settings |= {item.alias or item.name for item in attrs.fields(made) if item.metadata.get("training")}
        for field in config_fields(made):
            if field.name not in settings:
                settings.add(field.name)
                yield _option(field, config, taken)


def _option(field: ConfigField, config: Any, taken: set[str]) -> click.Option:
    name = f"--{field.name.replace('_', '-')}"
    if name in taken:
        name = f"--sampler{name[1:]}"
    default = "the recipe's"
    if not isinstance(config, type):
        attribute = next(item for item in attrs.fields(type(config)) if field.name in (item.alias, item.name))
        default = f"{getattr(config, attribute.name)}, the recipe's"
    choices = get_args(field.type) if get_origin(field.type) is Literal else ()
    plain = field.type if field.type in _TYPES else next(filter(_TYPES.__contains__, get_args(field.type)), str)
    kind = click.Choice(choices) if choices and all(isinstance(item, str) for item in choices) else _TYPES[plain]
    help = f"{field.help.rstrip('.')}." if field.help else "A setting of the sampler."
    return click.Option([name, f"{_PREFIX}{field.name}"], type=kind, help=f"{help} [default: {default}]")
