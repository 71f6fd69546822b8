"""``janiform serve``: models behind the API of OpenAI."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

import click

from ..errors import JaniformError, Problem, ResourceError, UsageError
from .options import load_options, opened, sampler_option
from .output import echo
from .report import note, report, report_bug, report_system

if TYPE_CHECKING:
    import socket

    from ..inference.api import Model
    from ..serve.settings import ServerSettings


@click.command()
@click.argument("models", metavar="MODEL…", nargs=-1, required=True)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--api-key",
    "api_keys",
    metavar="KEY",
    multiple=True,
    envvar="JANIFORM_API_KEY",
    help="Key that requests must send; may be repeated. Also: JANIFORM_API_KEY.",
)
@click.option(
    "--queue", type=click.IntRange(1), default=64, show_default=True, help="Most requests that wait for a model."
)
@click.option(
    "--deadline",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Most seconds from a request to its answer.",
)
@click.option("--max-body", type=click.IntRange(1), default=32, show_default=True, help="Largest request, in MiB.")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds that running requests have to end after SIGTERM or Ctrl-C.",
)
@sampler_option
@load_options
def command(
    models: tuple[str, ...],
    port: int,
    host: str,
    api_keys: tuple[str, ...],
    queue: int,
    deadline: float,
    max_body: int,
    grace: float,
    **load_settings: Any,
) -> int:
    """Serve models behind the API of OpenAI: chats about pictures, and drawing.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run; NAME=MODEL serves it
    under another name. docs/serving.md shows how to use the server.
    """
    try:
        from ..serve.server import listening_socket
    except ModuleNotFoundError as error:
        hint = "pip install 'janiform[serve]'"
        raise ResourceError(Problem(f"serving needs the package '{error.name}'", hint=hint)) from None
    from ..serve.access import is_loopback
    from ..serve.settings import MIB, ServerSettings
    from ..serve.start import named_models

    if not all(key.strip() for key in api_keys):
        raise UsageError("an API key is empty")
    if not is_loopback(host) and not api_keys:
        hint = "give --api-key KEY, or set JANIFORM_API_KEY"
        raise UsageError(Problem(f"--host {host} lets other machines in, so that a key is needed", hint=hint))
    settings = ServerSettings(
        api_keys=api_keys,
        loopback=is_loopback(host),
        queue=queue,
        deadline=deadline,
        body=max_body * MIB,
        grace=grace,
    )
    named = named_models(models)
    with contextlib.closing(listening_socket(host, port)) as bound:
        loaded = {name: opened(model, **load_settings) for name, model in named.items()}
        return asyncio.run(_serve(loaded, settings, bound))


def _report(error: Exception) -> None:
    """Print what a client is not told."""
    if isinstance(error, OSError):
        report_system(error)
    elif isinstance(error, JaniformError):
        report(error)
    else:
        report_bug(error)


async def _serve(models: dict[str, Model], settings: ServerSettings, bound: socket.socket) -> int:
    from ..serve.app import guarded_app
    from ..serve.server import ApiServer
    from ..serve.start import running_service

    with running_service(models, settings, _report) as service:
        server = ApiServer(guarded_app(service, _report), service, bound)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not service.stopping:
                note("running requests are ended, and new ones refused; the same signal again ends the server at once")
            server.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        cut_off = await server.run(lambda: echo(f"{', '.join(models)} at {server.address}"))
    if cut_off:
        note(f"requests that were cut off: {cut_off}")
    return 1 if cut_off else 0
