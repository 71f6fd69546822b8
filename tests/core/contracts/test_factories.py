"""What a factory makes must be of its kind, and what the kind's contract says is what is looked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from janiform import ComponentError, UsageError
from janiform.components.kinds import KINDS
from janiform.contracts.factories import contract_names, make


def component(kind: str, factory: Any) -> Any:
    return SimpleNamespace(kind=kind, reference="odd@1", provider="plugin 'odd'", load=lambda: factory)


def test_every_kind_has_its_contracts() -> None:
    assert [kind.name for kind in KINDS.values() if not kind.module_contract] == []
    assert contract_names("sampler") == ["draw"]
    assert contract_names("source") == ["example"]
    assert set(contract_names("tokenizer")) == {"encode", "decode", "vectors", "losses"}


@pytest.mark.parametrize("kind", ["text", "layout", "sampler", "objective", "source", "benchmark", "format"])
def test_what_lacks_a_method_of_its_kind_is_refused(kind: str) -> None:
    with pytest.raises(ComponentError, match=rf"factory of {kind} odd@1, from plugin 'odd', gave .*, which lacks"):
        make(component(kind, lambda *_: None))
    whole = SimpleNamespace(**dict.fromkeys(contract_names(kind)))
    assert make(component(kind, lambda *_: whole)) is whole


def test_whatever_a_factory_raises_is_a_sentence_that_names_it() -> None:
    def fails(*_: Any) -> None:
        raise KeyError("depth")

    def refuses(*_: Any) -> None:
        raise UsageError("no such file")

    with pytest.raises(ComponentError, match=r"factory of source odd@1, from plugin 'odd', failed: KeyError: 'depth'"):
        make(component("source", fails))
    with pytest.raises(UsageError, match="no such file"):
        make(component("source", refuses))
