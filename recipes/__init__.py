"""The recipes that are shipped with janiform: every ``*.toml`` in this folder, by its name."""

from janiform import hookimpl


@hookimpl
def janiform_register(registrar):
    registrar.recipes("janiform_recipes")
