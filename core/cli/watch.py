"""``janiform watch``: the page about runs or a study, served while they train."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from .output import echo
from .report import note

PORT = 8001


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port of the page; 0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def command(runs: tuple[Path, ...], port: int, host: str) -> int:
    """Show the page about each RUN, a folder that `train` writes, or about the study in RUN, as it grows.

    Several runs are drawn over each other. The page is the one that `report` and `ablate` write; it changes while the
    files do. The folders are only read, and another machine may write them. Ctrl-C ends the server.
    """
    from ..watch.live_page import LivePage
    from ..watch.server import PageServer, is_loopback
    from ..watch.views import view_of

    with PageServer(LivePage(view_of(runs)), host, port) as server, contextlib.suppress(KeyboardInterrupt):
        if not is_loopback(server):
            note("everybody who can reach this address can read the page: it has no password")
        echo(f"The page is {server.url}; Ctrl-C ends it")
        server.serve_forever(poll_interval=0.2)
    return 0
