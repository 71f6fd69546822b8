"""The guide for plugin authors has every hook and contract, with the signatures that they really have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
from janiform import Batch, UnifiedModel, contracts, ports
from janiform.components import hookspec
from janiform.components.kinds import KINDS
from janiform.components.registrar import Registrar
from janiform.kit import PACKAGE_KINDS
from janiform.train.progress.log import LogEntry

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-plugin.md"


def signature(name: str, function: object) -> str:
    text = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")  # type: ignore[arg-type]
    return name + re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)  # annotations are strings; a default may be one as well


def lines(contract: str) -> Iterator[str]:
    protocol = getattr(contracts, contract)
    said = " ".join(inspect.getdoc(protocol).split()).replace("``", "`")
    yield f"**{contract}**: {said}"
    yield ""
    for name, member in vars(protocol).items():
        if (name.startswith("_") and name != "__call__") or name in ("_is_protocol",):
            continue
        if inspect.isfunction(member):
            yield f"    {signature('forward' if name == '__call__' else name, member)}"
        elif isinstance(member, property):
            yield f"    {name}: {member.fget.__annotations__['return']}"
    yield ""


def block() -> str:
    """What must stand between the marks of the guide."""
    found: list[str] = []
    for kind in KINDS.values():
        found += [f"### {kind.name}", ""]
        of_ports = kind.port_contracts.values()
        further = (
            ["LatentTokenizerConfig"] if kind.name == "tokenizer" else ["Process"] if kind.name == "sampler" else []
        )
        for contract in filter(None, (kind.config_contract, kind.module_contract, *further, *of_ports)):
            found += lines(contract)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(found)).strip()


def test_the_guide_has_every_contract_with_its_signatures() -> None:
    written = GUIDE.read_text(encoding="utf-8").partition("<!-- contracts -->")[2].partition("<!-- end -->")[0].strip()
    assert written == block(), f"put this between the marks of {GUIDE.name}:\n\n{block()}"


def test_the_guide_has_every_hook() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    hooks = [name for name, member in vars(hookspec).items() if hasattr(member, "janiform_spec")]
    assert hooks == ["janiform_register"]
    for hook in hooks:
        assert f"def {signature(hook, getattr(hookspec, hook))}" in text
    for method in ("component", "recipes"):
        for parameter in inspect.signature(getattr(Registrar, method)).parameters:
            assert parameter == "self" or parameter in text.partition("## The hook")[2].partition("## The contracts")[0]


def test_the_guide_names_what_parts_are_given() -> None:
    """Members of models, fields of batches and keys of the log, which an author would otherwise read in the code."""
    text = GUIDE.read_text(encoding="utf-8")
    given = text.partition("## What an objective and a sampler get")[2].partition("## What a sink gets")[0]
    members = [
        name
        for name, member in vars(UnifiedModel).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    ]
    for name in members:
        assert f"`model.{name}" in given, name
    for field in attrs.fields(Batch):
        assert f"`{field.name}`" in given, field.name
    keys = text.partition("## What a sink gets")[2].partition("\n## ")[0]
    for field in attrs.fields(LogEntry):
        assert f"`{field.name}`" in keys, field.name


def default(field: attrs.Attribute[object]) -> object:
    made: object = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore
    return made


def test_the_guide_names_the_fields_of_ports() -> None:
    text = GUIDE.read_text(encoding="utf-8").partition("## Ports")[2].partition("\n## ")[0]
    for port in (ports.Grid, ports.Features, ports.Codes, ports.Latents, ports.Hidden, ports.Logits, ports.Values):
        fields = [
            field.name if field.default is attrs.NOTHING else f"{field.name}={default(field)}"
            for field in attrs.fields(port)
        ]
        assert f"`{port.__name__}({', '.join(fields)})`" in text, port.__name__


def test_the_guide_names_the_kinds_of_packages_and_tests() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    begins = " ".join(text.partition("A package can begin with")[2].partition(".")[0].split())
    table = text.partition("| kind | tests |")[2].partition("\n\n")[0]
    for kind in PACKAGE_KINDS:
        assert kind in begins, kind
        assert f"\n| {kind} |" in table or kind == "encoder", kind


def test_the_objective_of_the_guide_wraps_a_built_in_one() -> None:
    text = GUIDE.read_text(encoding="utf-8").partition("### An objective that wraps a built-in one")[2]
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {"__name__": "guide"}
    exec(code, names)
    defined = set(vars(names["Mine"])) & {"prepare_one", "losses", "__init__"}
    assert len(defined) == 3
