"""The recipes that come with janiform: every ``*.toml`` beside this file, by its name."""

from janiform import hookimpl


@hookimpl
def janiform_register(registrar):
    registrar.recipes("janiform_recipes")
