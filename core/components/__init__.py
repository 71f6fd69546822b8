"""Components: the hook with which plugins register them, and the registry in which they are found. Torch-free."""

from .component import Component
from .fields import ConfigField, config_fields, type_name
from .hookspec import hookimpl
from .kinds import KINDS, ComponentKind
from .loading import PluginRecord
from .registrar import Registrar
from .registry import DISABLE, Registry

__all__ = [
    "DISABLE",
    "KINDS",
    "Component",
    "ComponentKind",
    "ConfigField",
    "PluginRecord",
    "Registrar",
    "Registry",
    "config_fields",
    "hookimpl",
    "type_name",
]
