"""The page is whole by itself, escapes what it shows, and leaves out what there is not."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import Answered, Drawn, Showcase
from janiform.report import DemoPage, ShownScore, page_html
from janiform.report.chart import curve_svg
from janiform.report.markup import data_uri, tag
from janiform.report.series import smoothed, spread, ticks
from janiform.report.toml import highlighted
from PIL import Image

RED = Image.new("RGB", (8, 8), "red")
NASTY = "<script>alert('1')</script> & \"quotes\" <|User|>"
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects text and addresses."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.addresses += [value or "" for key, value in attributes if key in ("src", "href", "srcset", "data")]
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(name, attributes)
        if name not in VOID:
            self.open.pop()

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text += data


def full_page(text: str = "a red circle") -> DemoPage:
    drawn = (Drawn(text, RED, True, "as asked"), Drawn(text, RED.copy(), False, text))
    answered = Answered(RED, text, "yes", "no", False)
    return DemoPage(
        name=text,
        description=text,
        facts=(("6 M", "parameters"),),
        showcase=Showcase(drawn, (answered, answered), (answered,)),
        scores=(
            ShownScore("drawing", "overall", 0.5, 4, 0.9),
            ShownScore("drawing", "one_object", 1.0, 4),
            ShownScore("x", text, 0, 2),
        ),
        curve={text: [(1, 3.0), (2, 2.0)]},
        curve_note=f"Steps of `{text}`.",
        diagram='<svg class="janiform" viewBox="0 0 1 1"></svg>',
        recipe=f'# {text}\nname = "x"\n',
        commands=((text, "Try"),),
        settings={"seed": text},
    )


def test_everything_is_on_the_page_and_nothing_is_fetched() -> None:
    page = page_html(full_page())
    read = Reader(page)
    for expected in ("It draws", "It looks", "Scores", "It learns", "Its parts", "The recipe", "Try it"):
        assert expected in read.text
    assert read.addresses
    assert all(address.startswith("data:image/png;base64,") for address in read.addresses)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)
    assert "prefers-color-scheme: dark" in page


def test_what_is_shown_is_escaped() -> None:
    read = Reader(page_html(full_page(NASTY)))
    assert "script" not in read.tags
    assert read.text.count(NASTY) >= 8


def test_an_empty_page_has_no_empty_sections() -> None:
    read = Reader(page_html(DemoPage("tiny", "small")))
    assert "section" not in read.tags
    assert "tiny" in read.text


def test_questions_about_one_picture_share_its_card() -> None:
    page = page_html(full_page())
    assert page.count('class="card"') == 2
    assert "expected no" in page


def test_the_full_scores_have_a_column_only_where_there_are_any() -> None:
    assert "full evaluation" in Reader(page_html(full_page())).text
    page = DemoPage("a", "b", scores=(ShownScore("drawing", "overall", 0.5, 4),))
    assert "full evaluation" not in Reader(page_html(page)).text


def test_pictures_are_embedded_as_they_are() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    data = base64.b64decode(data_uri(picture).partition(",")[2])
    assert Image.open(io.BytesIO(data)).tobytes() == picture.tobytes()


def test_tags_escape_children_and_attributes() -> None:
    assert tag("p", "a<b", None, tag("em", "c&d"), class_='x"y', data_n=1.50) == (
        '<p class="x&quot;y" data-n="1.5">a&lt;b<em>c&amp;d</em></p>'
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=80))
def test_highlighting_never_changes_the_text(text: str) -> None:
    assert Reader(highlighted(text)).text == text


def test_highlighting_tells_tokens_apart() -> None:
    marked = highlighted('# all\n[stage.one]\nname = "a # b"\nrate = 1e-4\non = true\n"odd key" = [1, 2]\n')
    assert '<span class="toml-comment"># all</span>' in marked
    assert '<span class="toml-table">[stage.one]</span>' in marked
    assert '<span class="toml-string">&quot;a # b&quot;</span>' in marked
    assert '<span class="toml-number">1e-4</span>' in marked
    assert '<span class="toml-key">&quot;odd key&quot;</span>' in marked


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_cover_the_range_with_round_steps(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert marks[0] <= low + span * 1e-6
    assert marks[-1] >= low + span * (1 - 1e-6)
    assert 2 <= len(marks) <= 9
    step = marks[1] - marks[0]
    assert float(f"{step:e}".partition("e")[0]) == pytest.approx(
        round(step / 10 ** np.floor(np.log10(step) + 1e-6)), 1e-3
    )


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 200), min_size=1, max_size=6))
def test_labels_are_moved_apart_and_stay_in_order(heights: dict[str, float]) -> None:
    placed = spread(heights, 10, 200)
    order = sorted(placed.values())
    assert all(b - a >= 10 - 1e-6 for a, b in pairwise(order))
    assert max(order) <= 200 + 1e-6
    assert sorted(heights, key=lambda name: heights[name]) == sorted(placed, key=lambda name: placed[name])


def test_a_curve_names_its_series_and_skips_what_is_no_number() -> None:
    svg = curve_svg({"text": [(1, 4.0), (2, float("nan")), (3, 1.0)], "empty": [(1, float("inf"))], "one": [(2, 0.5)]})
    read = Reader(svg)
    assert "4.00 → 1.00" in read.text
    assert "one" in read.text
    assert "empty" not in read.text
    assert "nan" not in svg
    assert "No values were measured" in curve_svg({})


def test_smoothing_begins_at_the_first_value_and_keeps_constants() -> None:
    assert [y for _, y in smoothed([(0, 3.0), (1, 3.0)])] == pytest.approx([3.0, 3.0])
    assert 1.0 < smoothed([(0, 3.0), (1, 1.0)])[1][1] < 3.0
