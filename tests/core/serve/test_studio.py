"""The page at `/`, as a browser shows it: chats, drawings and their settings, several models, keys, and a phone."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from janiform import Model, provenance_of
from janiform.pictures.provenance import png_bytes
from janiform.serve.settings import ServerSettings
from janiform.serve.studio import described
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving import Serving, connected, picture, received, serving

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUESTION = "how many circles are there?"

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed to show the page")


@pytest.fixture(scope="module")
def server(mini: Model, small: Model) -> Iterator[Serving]:
    with serving({"janus-mini": mini, "small": small}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def studio(browser: Browser, server: Serving) -> Iterator[Callable[..., Page]]:
    """Opens the page; at the end, neither the scripts nor the page's policy have complained."""
    contexts: list[Any] = []
    problems: list[str] = []

    def opened(address: str = server.address, tab: str = "chat", **settings: Any) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{address}/#{tab}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [problem for problem in problems if "status of 4" not in problem] == []


def ready(page: Page) -> Page:
    page.wait_for_selector("html[data-ready]")
    return page


def drawn(page: Page, pictures: int) -> list[Image.Image]:
    """The finished pictures of the last drawing, from what its buttons save."""
    page.wait_for_selector("#draw-stop[hidden]", state="attached")
    expect(page.locator("#drawn a[download]")).to_have_count(pictures)
    images = []
    for index in range(pictures):
        with page.expect_download() as saved:
            page.locator("#drawn a[download]").nth(index).click()
        image = Image.open(saved.value.path())
        image.load()
        images.append(image)
    return images


def same(one: Image.Image, other: Image.Image) -> None:
    """Equal but for the rounding of decoders that decode several pictures at once, or one."""
    assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1


def put(page: Page, where: str, image: Image.Image, path: Path, event: str) -> None:
    """Drop a file on an element, or paste it."""
    image.save(path)
    drop(page, where, path.read_bytes(), event)


def drop(page: Page, where: str, data: bytes, event: str = "drop") -> None:
    page.evaluate(
        """([where, base64, event]) => {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "given.png", { type: "image/png" }));
            const how = { bubbles: true, cancelable: true };
            const made = event === "drop"
                ? new DragEvent("drop", { ...how, dataTransfer: data })
                : new ClipboardEvent("paste", { ...how, clipboardData: data });
            document.querySelector(where).dispatchEvent(made);
        }""",
        [where, base64.b64encode(data).decode(), event],
    )


@needs_browser
def test_a_chat_about_pictures_that_are_chosen_dropped_and_pasted(
    studio: Callable[..., Page], mini: Model, tmp_path: Path
) -> None:
    page = ready(studio())
    images = [picture(seed) for seed in range(3)]
    images[0].save(tmp_path / "chosen.png")
    page.set_input_files("#chat-file", tmp_path / "chosen.png")
    put(page, "#panel-chat", images[1], tmp_path / "dropped.png", "drop")
    put(page, "#chat-text", images[2], tmp_path / "pasted.png", "paste")
    assert page.locator("#chat-pictures img").count() == 3
    page.click("#chat-pictures li:nth-child(2) button")
    page.fill("#chat-text", QUESTION)
    page.keyboard.press("Enter")
    answer = page.locator(".turn.model").first
    page.wait_for_selector("#chat-send:enabled")
    assert answer.text_content() == mini.ask([images[0], images[2]], QUESTION)
    page.fill("#chat-text", QUESTION)
    page.click("#chat-send")
    page.wait_for_selector("#chat-send:enabled")
    assert page.locator(".turn.model").count() == 2
    page.click("#chat-clear")
    assert page.locator(".turn").count() == 0


@needs_browser
def test_drawings_have_previews_and_are_those_of_the_model(studio: Callable[..., Page], mini: Model) -> None:
    page = ready(studio(tab="draw"))
    page.evaluate(
        """() => {
            window.previews = 0;
            new MutationObserver((changes) => {
                for (const change of changes) {
                    for (const node of change.addedNodes) window.previews += node.alt?.endsWith("unfinished") ?? 0;
                }
            }).observe(document.getElementById("drawn"), { childList: true, subtree: true });
        }"""
    )
    page.fill("#draw-text", "a large red circle")
    page.fill("#draw-seed", "7")
    page.fill("#draw-n", "2")
    page.fill("#draw-guidance", "2")
    page.click("#draw-more summary")
    page.fill("[data-setting=temperature]", "0.5")
    page.click("#draw-send")
    images = drawn(page, 2)
    assert page.evaluate("window.previews") >= 4
    for index, image in enumerate(images):
        record = provenance_of(image)
        assert record is not None
        assert (record.prompt, record.seed) == ("a large red circle", 7 + index)
        assert (record.settings["guidance"], record.settings["temperature"]) == (2.0, 0.5)
    alone = mini.generate("a large red circle", n=2, seed=7, guidance=2.0, temperature=0.5)
    for image, one in zip(images, alone, strict=True):
        same(image, one)
    page.reload()
    page.wait_for_selector("#history figure:nth-child(2)")
    page.click("#history figure:first-child button:has-text('Delete')")
    expect(page.locator("#history figure")).to_have_count(1)


@needs_browser
def test_a_picture_is_redrawn_and_varied_from_its_own_metadata(
    studio: Callable[..., Page], mini: Model, tmp_path: Path
) -> None:
    # A seed that JavaScript's numbers cannot hold, and a prompt that looks like one.
    seed, prompt = 2**61 + 1, 'a small blue square "seed": 5'
    image = mini.generate(prompt, seed=seed, guidance=1.5)[0]
    (tmp_path / "drawn.png").write_bytes(png_bytes(image))
    page = ready(studio(tab="draw"))
    page.set_input_files("#draw-file", tmp_path / "drawn.png")
    page.wait_for_selector("#found >> text=a small blue square")
    page.click("#found >> text=Redraw")
    (again,) = drawn(page, 1)
    same(again, image)
    page.click("#drawn figure button:has-text('Vary')")
    expect(page.locator("#drawn")).not_to_contain_text("seed 23")
    (varied,) = drawn(page, 1)
    record = provenance_of(varied)
    assert record is not None
    assert record.prompt == prompt
    assert record.seed != seed
    assert record.settings["guidance"] == 1.5


@needs_browser
def test_models_are_compared_and_pictures_changed_with_one_seed(
    studio: Callable[..., Page], small: Model, tmp_path: Path
) -> None:
    page = ready(studio(tab="draw"))
    page.check("text=small")
    page.fill("#draw-text", "a circle")
    page.fill("#draw-n", "1")
    page.click("#draw-send")
    first, second = drawn(page, 2)
    one, other = provenance_of(first), provenance_of(second)
    assert one is not None
    assert other is not None
    assert one.seed == other.seed
    assert one.weights_sha256 != other.weights_sha256
    page.uncheck("text=janus-mini")
    page.click("text=small")
    assert page.is_checked("text=small"), "one model stays"
    picture(3).save(tmp_path / "source.png")
    page.set_input_files("#draw-file", tmp_path / "source.png")
    page.fill("#draw-seed", "3")
    page.click("#draw-send")
    (changed,) = drawn(page, 1)
    alone = small.generate("a circle", pictures=[picture(3)], seed=3)[0]
    same(changed, alone)


@needs_browser
def test_the_diagram_shows_parts_and_everything_works_by_keyboard(studio: Callable[..., Page]) -> None:
    page = ready(studio())
    page.focus("#tab-chat")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.id") == "tab-models"
    assert page.is_visible("#panel-models")
    page.wait_for_selector(".node[role=button]")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''").startswith("generation.head"):
            break
    detail = page.locator(".detail").first.text_content()
    assert detail is not None
    assert "mlp@1" in detail
    assert "149 k" in detail
    assert "[B, T, 128]" in detail


@needs_browser
def test_a_phone_and_a_reader_of_the_screen_can_use_it(studio: Callable[..., Page]) -> None:
    page = ready(studio(viewport={"width": 390, "height": 800}, color_scheme="dark"))
    page.check("text=small")
    for tab in ("chat", "draw", "models"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("input, textarea, select, button, a, img")]
                .filter((one) => one.checkVisibility())
                .filter((one) => !(one.ariaLabel || one.alt !== undefined && one.tagName === "IMG" || one.labels?.length
                    || one.textContent.trim()))
                .map((one) => one.outerHTML)"""
        )
        assert unnamed == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 21, 19)"


@needs_browser
def test_problems_are_sentences_and_texts_of_models_and_files_are_never_html(
    studio: Callable[..., Page], mini: Model, tmp_path: Path
) -> None:
    page = ready(studio(tab="draw"))
    page.click("#draw-send")
    assert page.text_content("#problem") == "Write what to draw first."
    page.fill("#draw-text", "word " * 2000)
    page.click("#draw-send")
    expect(page.locator("#problem")).to_contain_text("context")
    evil = "<img src=x onerror=document.title='evil'>"
    page.fill("#draw-text", evil)
    page.fill("#draw-n", "1")
    page.click("#draw-send")
    (image,) = drawn(page, 1)
    record = provenance_of(image)
    assert record is not None
    assert record.prompt == evil
    with page.expect_download() as saved:
        page.locator("#drawn a[download]").first.click()
    drop(page, "#panel-draw", Path(saved.value.path()).read_bytes())
    page.wait_for_selector("#found >> text=onerror")
    assert page.title() == "janiform studio"
    drop(page, "#panel-draw", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffiTXt" + b"\0" * 20)
    expect(page.locator("#draw-pictures li")).to_have_count(2)


@needs_browser
def test_a_server_with_a_key_asks_for_it(studio: Callable[..., Page], small: Model) -> None:
    with serving({"small": small}, ServerSettings(api_keys=("right",))) as server:
        page = studio(server.address)
        for key in ("wrong", "right"):
            page.wait_for_selector("#key-dialog[open]")
            page.fill("#key", key)
            page.keyboard.press("Enter")
            if key == "wrong":
                page.wait_for_selector("#key-dialog[open] >> text=does not accept this key")
        ready(page)
        assert page.locator("#choice").is_hidden(), "a single model needs no choice"
        page.context.close()


def test_files_of_the_page_have_a_strict_policy_and_name_no_other_site(server: Serving) -> None:
    paths = ["/", "/static/palette.css", "/static/studio.css", "/static/mark.svg"]
    paths += [f"/static/{name}.js" for name in ("main", "api", "dom", "chat", "draw", "history", "models", "pictures")]
    for path in paths:
        status, headers, body = get(server.port, path)
        assert status == 200, path
        text = body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text
        if path == "/":
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "style=" not in text
    for path in ("/static/../studio.py", "/static/..%2fstudio.py", "/static/"):
        assert get(server.port, path)[0] == 404


def get(port: int, path: str) -> tuple[int, dict[str, str], bytes]:
    with connected(port) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        return received(connection)


def test_a_model_is_described_with_all_parts_and_settings(server: Serving, mini: Model) -> None:
    status, _, body = get(server.port, "/studio/models/janus-mini")
    facts = json.loads(body)
    assert status == 200
    assert facts == json.loads(json.dumps(described(server.service.models["janus-mini"])))
    owned = {path for path, part in mini.model.plan.parts.items() if part.owner is None}
    assert {part["path"] for part in facts["parts"]} == owned
    assert sum(part["parameters"] or 0 for part in facts["parts"]) == sum(p.numel() for p in mini.model.parameters())
    assert {"guidance", "temperature"} <= {setting["name"] for setting in facts["sampler"]["settings"]}
    assert owned <= {node["key"] for node in facts["diagram"]["nodes"]}
    assert get(server.port, "/studio/models/none")[0] == 404
