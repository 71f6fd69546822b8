"""The page of evaluations: everything is escaped, nothing is fetched, and damaged examples are left out."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import attrs
import pytest
from janiform import Item, Metric, Published, Score, UsageError
from janiform.evaluate.examples import thumbnail_uri
from janiform.evaluate.results import Example, Result
from janiform.report.evaluation.bars import categories
from janiform.report.evaluation.page import evaluation_html
from janiform.report.evaluation.scores import Compared
from PIL import Image
from quiz import result

NASTY = "<script>alert('1')</script>\"&"


class Tags(HTMLParser):
    """The names of elements, and addresses in attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href")]


def nasty() -> Result:
    items = [Item("quiz.accuracy", f"{NASTY}{n}", NASTY, float(n % 2), NASTY) for n in range(4)]
    scores = {"quiz.accuracy": Score(0.5, 4, 0.1, 0.9), f"quiz.{NASTY}": Score(12.5, 4), "quiz.b": Score(80.0, 4)}
    metrics = {name: Metric(chance=0.5) for name in scores}
    return Result(
        scores,
        metrics,
        {"profile": NASTY, "other": {NASTY: [NASTY]}},
        items,
        [Published(NASTY, "quiz.accuracy", 0.75, NASTY)],
        [
            Example(items[0].item, NASTY, NASTY, thumbnail_uri(Image.new("RGB", (600, 300)))),
            Example(items[1].item, NASTY, NASTY, "https://example.org/tracker.png"),
            Example(items[2].item, NASTY, NASTY, "data:image/svg+xml;base64,AAAA"),
        ],
    )


@pytest.mark.parametrize("models", [1, 3])
def test_nothing_is_run_or_fetched(models: int) -> None:
    page = evaluation_html({f"{NASTY}{n}": {NASTY: nasty(), "b": result([1, 0])} for n in range(models)})
    tags = Tags(page)
    assert "script" not in tags.names
    assert [address[:23] for address in tags.addresses] == ["data:image/jpeg;base64,"]
    assert "@import" not in page
    assert not re.search(r"url\(", page)
    assert page.count("&lt;script&gt;") > 10


def test_scores_stand_beside_published_ones_with_their_protocols() -> None:
    rows = [
        Published("Janus", "quiz.accuracy", 0.7, "greedy", "table 3"),
        Published("Janus-Pro", "quiz.accuracy", 0.8, "greedy", "table 3"),
    ]
    page = evaluation_html({"mine": {"quiz": attrs.evolve(result([1, 0, 1, 1]), published=rows)}})
    assert page.count(">table 3: greedy<") == 1  # once below both
    for text in (">0.750<", "0.650 – 0.850", ">0.700<", ">0.800<", "Janus-Pro"):
        assert text in page


def test_examples_on_which_models_differ_come_first() -> None:
    page = evaluation_html({"one": {"quiz": result([1, 1, 1])}, "two": {"quiz": result([1, 1, 0])}})
    assert page.index("question 2") < page.index("question 0") < page.index("question 1")
    assert "verdict wrong" in page


def test_models_measured_in_another_way_are_not_compared() -> None:
    page = evaluation_html({"one": {"quiz": result([1, 1])}, "two": {"quiz": result([1, 0], prompt="b")}})
    assert "two was measured in another way, so it is not compared: prompt: none and b." in page
    assert "−0.500" not in page


def test_missing_predictions_are_reported() -> None:
    page = evaluation_html({"one": {"quiz": result([1, 1], missing_predictions=7)}})
    assert "one: 7 items have no prediction, and count as wrong." in page


def test_a_page_needs_scores() -> None:
    with pytest.raises(UsageError, match="no scores"):
        evaluation_html({"one": {}})


def test_categories_are_grouped_by_kind_of_score() -> None:
    names = ["pope.overall", "pope.random.f1", "pope.random.recall", "pope.popular.f1", "pope.popular.recall"]
    names += ["pope.a", "pope.b", "loss.answer", "pope.down"]
    metrics = {name: Metric("down" if name == "pope.down" else "up") for name in names}
    one = Result({name: Score(0.5, 1) for name in names}, metrics, {})
    assert categories(Compared.of("pope", {"one": one})) == {
        "f1": {"random": "pope.random.f1", "popular": "pope.popular.f1"},
        "recall": {"random": "pope.random.recall", "popular": "pope.popular.recall"},
        "by category": {"a": "pope.a", "b": "pope.b"},
    }


@pytest.mark.parametrize(("size", "kind"), [((16, 16), "png"), ((800, 400), "jpeg")])
def test_pictures_are_small_copies(size: tuple[int, int], kind: str) -> None:
    assert thumbnail_uri(Image.new("RGBA", size)).startswith(f"data:image/{kind};base64,")
