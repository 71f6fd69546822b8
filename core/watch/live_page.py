"""The page that the server gives: that of a view as it was last read, with the script that keeps it up to date."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from attrs import frozen

from ..errors import JaniformError
from ..report.demo_page import document
from ..report.markup import Markup, tag
from ..untrusted_text import printable, storable
from .views import View

_SHARE = 10
"""The page is made at most once in this many times of what making it took, so that long logs leave the cores free."""

Stamp = tuple[tuple[str, int, int], ...]


@frozen
class Version:
    """A page with its entity tag. ``changed``: time of the newest change to a file, in seconds since 1970."""

    html: bytes
    tag: str
    changed: float


class LivePage:
    """The newest page of a view. Pages are made when they are asked for, and only where a file has changed.

    While files cannot be read, for example because they are being replaced, the page stays as it was, with a sentence.
    """

    def __init__(self, view: View, clock: Callable[[], float] = time.monotonic) -> None:
        self.view = view
        self._clock = clock
        self._lock = threading.Lock()
        self._html, self._problem = document("janiform", []), "The files were not read yet."
        self._stamp: Stamp = ()
        self._next = -math.inf
        self._version = Version(b"", "", 0.0)

    def version(self) -> Version:
        """The page as the files are now."""
        with self._lock:
            began = self._clock()
            if began >= self._next:
                stamp = stamp_of(self.view)
                if self._problem or stamp != self._stamp:
                    self._make(stamp)
                self._next = began + _SHARE * (self._clock() - began)
            return self._version

    def _make(self, stamp: Stamp) -> None:
        try:
            self._html, self._problem = self.view.html(), ""
        except (OSError, JaniformError) as error:
            self._problem = f"The files cannot be read now: {error}"
        self._stamp = stamp
        tag = hashlib.sha256(storable(self._html + self._problem).encode()).hexdigest()[:32]
        changed = max((modified for _, modified, _ in stamp), default=0) / 1e9
        self._version = Version(_with_script(self._html, self._problem, f'"{tag}"'), f'"{tag}"', changed)


def stamp_of(view: View) -> Stamp:
    """Path, time of the last change in nanoseconds and size of every file that is there."""
    stamp: list[tuple[str, int, int]] = []
    try:
        for path in view.files():
            stamp += _entry(path)
    except OSError:  # a folder went away while it was listed
        pass
    return tuple(stamp)


def _entry(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return ()
    return ((str(path), status.st_mtime_ns, status.st_size),)


@cache
def script() -> str:
    """The script of the page."""
    return files(__package__).joinpath("live.js").read_text("utf-8")


@cache
def script_digest() -> str:
    """The digest of the script, by which the page's policy permits it."""
    return f"sha256-{b64encode(hashlib.sha256(script().encode()).digest()).decode()}"


def _with_script(html: str, problem: str, entity: str) -> bytes:
    """The page with a line about its state at the end, and the script."""
    style = Markup(f"<style>\n{files(__package__).joinpath('live.css').read_text('utf-8')}</style>")
    words = tag("p", tag("span", "", id="live-age"), tag("span", problem, id="live-problem", role="status"))
    line = tag("aside", words, id="live", aria_label="Live updates", data_tag=entity)
    head, end, rest = html.rpartition("</body>")
    return storable(printable(f"{head}{style}{line}\n<script>{script()}</script>\n{end}{rest}", lines=True)).encode()
