"""One bad plugin harms nobody: each animal of this zoo is listed with its error, and a good plugin beside it works."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from janiform import ComponentError, Registry
from janiform.components import loading

Install = Callable[..., Path]

GOOD = """
@hookimpl
def janiform_register(registrar):
    registrar.component("encoder", "good", config=Config, factory="fake_plugin_good:Config", summary="Good.")
"""


def _registering(*calls: str) -> str:
    return "@hookimpl\ndef janiform_register(registrar):\n" + "".join(f"    {call}\n" for call in calls)


def _component(**changes: str) -> str:
    given = {
        "kind": '"encoder"',
        "name": '"bad"',
        "config": "Config",
        "factory": '"fake_plugin_bad:Config"',
        "summary": '"Bad."',
    } | changes
    kind, name = given.pop("kind"), given.pop("name")
    return f"registrar.component({kind}, {name}, {', '.join(f'{key}={value}' for key, value in given.items())})"


ZOO = {
    "raises at import": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits at import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "imports what is not there": ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
    "is no Python": ("def def", "SyntaxError"),
    "has an attrs class that fails": (
        "@attrs.frozen\nclass Wrong:\n    a: int = 1\n    b: int",
        "No mandatory attributes allowed",
    ),
    "has no hook": ("x = 1", "no function janiform_register"),
    "forgot the mark": ("def janiform_register(registrar): ...", "no function janiform_register"),
    "misspells the hook": (
        _registering("...").replace("janiform_register", "janiform_regster"),
        "janiform_regster",
    ),
    "brings another hook too": (
        _registering(_component()) + "\n@hookimpl\ndef janiform_train(trainer): ...",
        "janiform_train",
    ),
    "misspells the argument": ("@hookimpl\ndef janiform_register(registry): ...", "registry"),
    "is a generator": (_registering(_component(), "yield"), "plain function"),
    "raises while registering": (_registering(_component(), "raise KeyError('x')"), "KeyError"),
    "exits while registering": (_registering("raise SystemExit"), "SystemExit"),
    "registers twice": (_registering(_component(), _component()), "'bad@1' is registered twice"),
    "knows another kind": (_registering(_component(kind='"encodr"')), "did you mean 'encoder'?"),
    "has an ill name": (_registering(_component(name='"My_Encoder"')), "for example 'my-encoder'"),
    "counts from nothing": (_registering(_component(version="0")), "from 1 up, not 0"),
    "counts in booleans": (_registering(_component(version="True")), "from 1 up, not True"),
    "has no attrs class": (_registering(_component(config="dict")), "must be an attrs class, not dict"),
    "has an instance for a class": (_registering(_component(config="Config()")), "must be an attrs class"),
    "has a config that can change": (
        "Loose = attrs.make_class('Loose', {'depth': setting(1)})\n" + _registering(_component(config="Loose")),
        "@attrs.frozen",
    ),
    "does not explain a field": (
        "@attrs.frozen\nclass Mute(Config):\n    depth: int = 1\n" + _registering(_component(config="Mute")),
        "field 'depth' of Mute does not say what it is",
    ),
    "names an unknown type": (
        "@attrs.frozen\nclass Odd(Config):\n    depth: 'Nowhere' = setting(1)\n"
        + _registering(_component(config="Odd")),
        "name 'Nowhere' is not defined",
    ),
    "lacks a port": (_registering(_component(kind='"backbone"')), "lacks 'hidden', which every backbone declares"),
    "has no path for a factory": (_registering(_component(factory='"fake_plugin_bad.Config"')), "package.module:name"),
    "gives the factory itself": (_registering(_component(factory="Config")), "package.module:name"),
    "has no summary": (_registering(_component(summary='""')), "one line of text"),
    "presets an unknown field": (
        _registering(_component(presets='{"large": {"widht": 9}}')),
        "preset 'large' sets 'widht', which is not a field (did you mean 'width'?)",
    ),
    "presets a string for a number": (
        _registering(_component(presets='{"large": {"width": "9"}}')),
        "preset 'large' sets 'width' to '9', but its type is int",
    ),
    "presets a boolean for a number": (_registering(_component(presets='{"a": {"width": True}}')), "its type is int"),
    "has presets that are no tables": (_registering(_component(presets='{"large": 3}')), "a table of tables"),
    "has recipes nowhere": (_registering('registrar.recipes("no_such_package_anywhere")'), "no such package"),
    "has recipes without files": (_registering('registrar.recipes("email")'), "no *.toml"),
}


@pytest.mark.parametrize("animal", ZOO)
def test_a_broken_plugin_is_listed_and_harms_nobody(animal: str, install: Install) -> None:
    code, error = ZOO[animal]
    install("bad", code)
    install("good", GOOD)
    registry = Registry.load()
    bad = next(record for record in registry.plugins if record.name == "bad")
    assert error in bad.error
    assert bad.components == ()
    assert bad.recipe_folders == ()
    assert bad.distribution == "janiform-bad"
    assert registry.find("encoder", "good").load().__name__ == "Config"


def test_all_mistakes_of_a_plugin_come_at_once_with_their_lines(install: Install) -> None:
    folder = install(
        "bad", _registering(_component(kind='"encodr"', version="0", summary='""'), _component(name='"A"'))
    )
    (bad,) = (record for record in Registry.load().plugins if record.name == "bad")
    lines = bad.error.splitlines()
    assert len(lines) == 4
    code = (folder / "fake_plugin_bad.py").read_text().splitlines()
    first, second = (number for number, line in enumerate(code, start=1) if "registrar.component" in line)
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in lines] == [str(first)] * 3 + [str(second)]


def test_the_error_says_where_the_plugin_failed(install: Install) -> None:
    install("bad", "\ndef fail():\n    raise RuntimeError('no luck')\n\nfail()")
    (bad,) = (record for record in Registry.load().plugins if record.name == "bad")
    assert "fake_plugin_bad.py:" in bad.error
    assert isinstance(bad.cause, RuntimeError)


def test_ctrl_c_is_not_an_error_of_a_plugin(install: Install) -> None:
    install("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry.load()


def test_what_a_plugin_prints_does_not_reach_stdout(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("good", "print('hello')\n" + GOOD)
    Registry.load()
    out, err = capsys.readouterr()
    assert out == ""
    assert "hello" in err


def test_a_plugin_cannot_close_the_streams_of_others(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("bad", "import sys\nsys.stdout.close()\nraise GeneratorExit")
    install("good", "print('hello')\n" + GOOD)
    errors = {record.name: record.error for record in Registry.load().plugins}
    assert errors["bad"].startswith("GeneratorExit")
    assert errors["good"] == ""
    assert capsys.readouterr().err == "hello\n"


def test_the_errors_in_nested_groups_are_named(install: Install) -> None:
    group = "BaseExceptionGroup('a', [ExceptionGroup('b', [ValueError('deep')]), SystemExit(3)])"
    install("bad", f"raise {group}")
    (bad,) = (record for record in Registry.load().plugins if record.name == "bad")
    assert "ValueError: deep; SystemExit: 3" in bad.error


def test_a_missing_component_names_the_broken_plugins_that_may_have_had_it(install: Install) -> None:
    install("bad", "raise RuntimeError('no luck')")
    with pytest.raises(ComponentError, match=r"plugin 'bad' \(janiform-bad 1.0\) is broken .* RuntimeError: no luck"):
        Registry.load().find("encoder", "bad")


def test_a_plugin_is_measured_and_its_distribution_recorded(install: Install) -> None:
    install("good", GOOD, distribution="My-Plugins", version="2.3")
    (good,) = (record for record in Registry.load().plugins if record.name == "good")
    assert (good.distribution, good.version) == ("My-Plugins", "2.3")
    assert 0 < good.seconds < 10
    assert good.components[0].provider == "plugin 'good' (My-Plugins 2.3)"


def test_a_plugin_that_hangs_is_named_while_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    named = threading.Event()

    class Stream(io.StringIO):
        def flush(self) -> None:
            named.set()

    stream = Stream()
    monkeypatch.setattr(loading, "PATIENCE", 0.01)
    monkeypatch.setattr(sys, "stderr", stream)

    def hang() -> None:
        assert named.wait(20)
        raise RuntimeError("at last")

    record = loading.load_plugin(loading.PluginSource("slow\x1b[2J", "acme", "1", hang))
    assert "at last" in record.error
    assert r"plugin 'slow\x1b[2J' (acme 1) has been loading for" in stream.getvalue()
    assert "--disable-plugin" in stream.getvalue()
