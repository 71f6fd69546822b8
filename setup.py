"""The packages, found: setuptools' own discovery does not follow the mapping of folders to names in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {"janiform": "core", "janiform_plugins": "plugins", "janiform_recipes": "recipes"}

setup(
    packages=[
        package
        for name, folder in FOLDERS.items()
        for package in [name, *(f"{name}.{inner}" for inner in find_packages(folder))]
    ]
)
