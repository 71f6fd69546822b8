"""Finding components: versions, collisions, selection, and what is said where there is nothing to find."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import ComponentError, Features, RecipeError, Registrar, Registry, UsageError, hookimpl, registry
from janiform.components import DISABLE, KINDS
from janiform.components.registry import names_to_disable
from janiform.recipe import read_recipe_text
from janiform.storage.open import model_folder

Install = Callable[..., Path]


@attrs.frozen
class Config:
    width: int = attrs.field(default=8, metadata={"help": "Channels."})

    def features(self) -> Features:
        return Features(1, self.width)

    def transform(self) -> None: ...


def _plugin(*references: str, factory: str = "builtins:dict") -> ModuleType:
    """A plugin that registers encoders: ``_plugin("siglip@2", "dinov2@1")``."""
    module = ModuleType("fake")

    def janiform_register(registrar: Registrar) -> None:
        for reference in references:
            name, _, version = reference.partition("@")
            registrar.component(
                "encoder", name, version=int(version), config=Config, factory=factory, summary="An encoder."
            )

    vars(module)["janiform_register"] = hookimpl(janiform_register)
    return module


def _load(disabled: tuple[str, ...] = (), **plugins: Any) -> Registry:
    return Registry.load(plugins, entry_points=False, disabled=disabled)


def _claims(name: str, *versions: int) -> str:
    calls = "".join(
        f"    registrar.component('encoder', '{name}', version={version}, config=Config, factory='a:b', summary='.')\n"
        for version in versions
    )
    return f"@hookimpl\ndef janiform_register(registrar):\n{calls}"


def test_a_bare_name_is_the_newest_version_and_a_reference_is_exact() -> None:
    found = _load(p=_plugin("siglip@2", "siglip@10", "siglip@1"))
    assert found.find("encoder", "siglip").version == 10
    assert found.find("encoder", "siglip@2").reference == "siglip@2"


def test_an_unknown_name_comes_with_the_nearest() -> None:
    found = _load(p=_plugin("siglip@1", "dinov2@1"))
    with pytest.raises(ComponentError, match=r"no encoder is called 'siglpi' \(did you mean 'siglip'\?\)"):
        found.find("encoder", "siglpi")
    with pytest.raises(ComponentError, match="'siglip' is a component of another kind: encoder"):
        found.find("tokenizer", "siglip")
    with pytest.raises(ComponentError, match="did you mean 'encoder'"):
        found.find("encodr", "siglip")


def test_an_unknown_version_comes_with_those_there_are() -> None:
    with pytest.raises(ComponentError, match=r"encoder 'siglip' has no version 3 \(its versions: 1, 2\)"):
        _load(p=_plugin("siglip@1", "siglip@2")).find("encoder", "siglip@3")


@pytest.mark.parametrize("reference", ["", "@1", "siglip@", "siglip@one", "siglip@01", "siglip@-1", "siglip@1@2"])
def test_what_is_no_reference_is_an_error_that_shows_one(reference: str) -> None:
    with pytest.raises(ComponentError):
        _load(p=_plugin("siglip@1")).find("encoder", reference)


@settings(deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)) | st.text(), reference=st.text() | st.from_regex(r"siglip@[0-9]*"))
def test_whatever_is_asked_for_the_answer_is_a_component_or_a_sentence(kind: str, reference: str) -> None:
    found = _load(p=_plugin("siglip@1"))
    with contextlib.suppress(ComponentError):
        assert found.find(kind, reference).reference == "siglip@1"


def test_of_two_plugins_that_claim_a_component_neither_wins(install: Install) -> None:
    install("first", _claims("siglip", 1), distribution="janiform-first")
    install("second", _claims("siglip", 1), distribution="other-second", version="0.2")
    found = Registry.load(disabled=["janiform"])
    for reference in ("siglip", "siglip@1"):
        with pytest.raises(ComponentError) as caught:
            found.find("encoder", reference)
        assert "plugin 'first' (janiform-first 1.0)" in str(caught.value)
        assert "plugin 'second' (other-second 0.2)" in str(caught.value)
    assert found.components() == []
    assert [problem.message for problem in found.conflicts()] != []


HINTED = re.compile(rf"{DISABLE}=(\S+)$")


@pytest.mark.parametrize(
    ("owners", "names"),
    [
        ((("acme-a", "wide"), ("acme-b", "wide")), ("acme-b",)),
        ((("acme", "wide"), ("janiform", "wide")), ("acme",)),
        ((("a", "x"), ("b", "x"), ("c", "x")), ("b", "c")),
        ((("acme", "one"), ("acme", "two")), ("two",)),
        ((("acme", "b"), ("b", "wide")), ("wide",)),
        ((("", "one"), ("", "two")), ("two",)),
        ((("", "one"), ("", "one")), ()),
        ((("a", "x"), ("a", "x"), ("b", "x")), ("b",)),
    ],
)
def test_the_names_to_disable_leave_one_owner(owners: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> None:
    assert names_to_disable(owners) == names
    left = {owner for owner in owners if not set(owner) & set(names)}
    assert len(left) == 1


def test_the_hint_of_a_clash_leaves_one_of_two_plugins_of_one_name(install: Install) -> None:
    for distribution in ("acme-a", "acme-b"):
        install("wide", _claims("siglip", 1), distribution=distribution)
    with pytest.raises(ComponentError) as caught:
        Registry.load(disabled=["janiform"]).find("encoder", "siglip")
    (hinted,) = HINTED.findall(caught.value.problems[0].hint)
    settled = Registry.load(disabled=["janiform", *hinted.split(",")])
    assert settled.find("encoder", "siglip").distribution == "acme-a"
    assert not settled.conflicts()


def test_of_two_plugins_that_bring_a_model_neither_wins(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        install(name, _recipe_package(tmp_path, f"fake_models_{name}", f"recipe-{name}"))
        weights = tmp_path / f"fake_models_{name}" / "tiny" / "model.safetensors"
        weights.parent.mkdir()
        weights.touch()
    found = Registry.load(disabled=["janiform"])
    assert found.models() == {}
    with pytest.raises(UsageError, match=f"model 'tiny' is registered by .*{DISABLE}=janiform-two"):
        found.model("tiny")
    assert len(found.conflicts()) == 1
    monkeypatch.setattr("janiform.storage.locate.registry", lambda: found)
    with pytest.raises(UsageError, match="model 'tiny' is registered by"):
        model_folder("tiny")
    text = 'recipe = 1\nname = "x"\n[start]\n"." = "tiny"\n'
    with pytest.raises(RecipeError, match="model 'tiny' is registered by"):
        read_recipe_text(text, registry=found)
    assert Registry.load(disabled=["janiform", "janiform-two"]).model("tiny") is not None


def test_switching_one_of_them_off_settles_it() -> None:
    found = _load(("second",), first=_plugin("siglip@1"), second=_plugin("siglip@1"))
    assert found.find("encoder", "siglip").plugin == "first"


def test_a_name_is_not_taken_over_by_registering_a_higher_version(install: Install) -> None:
    install("first", _claims("siglip", 1))
    install("second", _claims("siglip", 2))
    found = Registry.load(disabled=["janiform"])
    with pytest.raises(ComponentError, match="comes from more than one distribution"):
        found.find("encoder", "siglip")
    assert found.find("encoder", "siglip@1").plugin == "first"
    assert found.find("encoder", "siglip@2").plugin == "second"


def test_the_order_of_plugins_decides_nothing() -> None:
    plugins = {"a": _plugin("x@1", "y@1"), "b": _plugin("y@1"), "c": _plugin("z@2", "z@1"), "d": _plugin("Bad@1")}

    def seen(order: tuple[str, ...]) -> tuple[Any, ...]:
        found = _load(**{name: plugins[name] for name in order})
        return (
            [(component.reference, component.plugin) for component in found.components()],
            [(record.name, record.error) for record in found.plugins],
            found.conflicts(),
        )

    assert len({repr(seen(order)) for order in itertools.permutations(plugins)}) == 1


def test_components_are_listed_by_kind_name_and_version() -> None:
    found = _load(p=_plugin("z@1", "a@10", "a@9"))
    assert [component.reference for component in found.components("encoder")] == ["a@9", "a@10", "z@1"]
    assert found.components("head") == []
    with pytest.raises(ComponentError, match="did you mean 'head'"):
        found.components("haed")


def test_a_disabled_plugin_is_not_imported(install: Install) -> None:
    install("bad", "raise SystemError('was imported')")
    found = Registry.load(disabled=["bad"])
    (record,) = (record for record in found.plugins if record.name == "bad")
    assert record.disabled
    assert not record.error
    with pytest.raises(ComponentError, match="disabled: bad"):
        found.find("encoder", "no-such-thing")


def test_a_distribution_is_switched_off_as_a_whole(install: Install) -> None:
    install("one", _claims("one", 1), distribution="janiform-both")
    install("two", _claims("two", 1), distribution="janiform-both")
    found = Registry.load(disabled=["janiform-both"])
    assert {record.name for record in found.plugins if record.disabled} == {"one", "two"}


def test_switching_off_what_does_not_exist_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        _load(("secnd", "third"), first=_plugin("a@1"), second=_plugin("b@1"))
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].hint == "did you mean 'second'?"


def test_the_registry_of_the_process_is_read_once_and_minds_the_environment(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one", _claims("one", 1))
    monkeypatch.setenv(DISABLE, " one ,")
    assert registry() is registry()
    assert [record.name for record in registry().plugins if record.disabled] == ["one"]


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("no_such_module_anywhere:x", "is the package that holds 'no_such_module_anywhere' installed?"),
        ("builtins:no_such_name", "AttributeError"),
        ("builtins:__name__", "which cannot be called"),
        ("fake_plugin_exits:x", "SystemExit: 4"),
    ],
)
def test_a_factory_that_does_not_load_is_named_with_its_plugin(factory: str, message: str, install: Install) -> None:
    install("exits", "raise SystemExit(4)")
    component = _load(p=_plugin("a@1", factory=factory)).find("encoder", "a")
    with pytest.raises(ComponentError) as caught:
        component.load()
    assert message in str(caught.value)
    assert "encoder 'a@1' of plugin 'p'" in str(caught.value)


def test_a_factory_may_lie_inside_a_class() -> None:
    assert _load(p=_plugin("a@1", factory="builtins:dict.fromkeys")).find("encoder", "a").load()("ab") == dict.fromkeys(
        "ab"
    )


def _recipe_package(folder: Path, name: str, *recipes: str) -> str:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("raise AssertionError('imported only to list recipes')")
    for recipe in recipes:
        (folder / name / f"{recipe}.toml").write_text('description = "A model."\n')
    return f"@hookimpl\ndef janiform_register(registrar):\n    registrar.recipes('{name}')\n"


def test_recipes_are_found_without_importing_their_package(install: Install, tmp_path: Path) -> None:
    install("one", _recipe_package(tmp_path, "fake_recipes", "tiny-a", "tiny-b"))
    weights = tmp_path / "fake_recipes" / "tiny-a" / "model.safetensors"
    weights.parent.mkdir()
    weights.touch()
    found = Registry.load(disabled=["janiform"])
    assert found.recipes() == {name: tmp_path / "fake_recipes" / f"{name}.toml" for name in ("tiny-a", "tiny-b")}
    assert found.recipe("tiny-b").is_file()
    assert found.models() == {"tiny-a": weights.parent}
    with pytest.raises(UsageError, match="there is no recipe called 'tiny-c'"):
        found.recipe("tiny-c")


def test_of_two_plugins_that_bring_a_recipe_neither_wins(install: Install, tmp_path: Path) -> None:
    install("one", _recipe_package(tmp_path, "fake_recipes_one", "tiny"))
    install("two", _recipe_package(tmp_path, "fake_recipes_two", "tiny", "small"))
    found = Registry.load(disabled=["janiform"])
    assert list(found.recipes()) == ["small"]
    with pytest.raises(UsageError, match=r"janiform-one .* and by .*janiform-two"):
        found.recipe("tiny")
    assert len(found.conflicts()) == 1


def test_every_kind_names_contracts_that_exist() -> None:
    from janiform import contracts

    for kind in KINDS.values():
        for contract in filter(None, (kind.config_contract, kind.module_contract)):
            assert hasattr(contracts, contract), kind.name
        config = getattr(contracts, kind.config_contract, None)
        assert {*kind.required_attributes, *kind.port_methods[:1]} == {
            name for name in vars(config or object) if not name.startswith("_")
        }, kind.name
