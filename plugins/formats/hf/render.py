"""Rendering of a chat template in a process of its own, which has little time and memory.

The process reads one JSON object from its input: ``path`` (where modules are imported from), ``template``, ``context``
(variables of the template) and ``conversations`` (lists of messages). It writes a JSON object with ``texts``, one per
conversation: ``{"text": …}`` or ``{"error": …}``; or ``{"error": …}`` where the template cannot be compiled.

A template is a program from the internet: jinja2's sandbox keeps it from Python's objects, and the limits keep it from
taking all memory, or from never ending. Run as a file, without the package.
"""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import datetime
from typing import Any

SECONDS = 2
MEMORY = 1 << 30
LONGEST = 1 << 16
"""Largest text, in characters, that is passed on."""


def limit() -> None:
    """Limit this process, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def environment() -> Any:
    """The environment in which transformers renders chat templates."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The block ``generation``, which marks the assistant's text and writes it as it is."""

        tags = frozenset({"generation"})

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    env.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False)
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: datetime(2024, 1, 1).strftime(form)
    return env


def rendered(template: Any, context: dict[str, Any], messages: Any) -> dict[str, str]:
    try:
        text = template.render(messages=messages, **context)
    except (Exception, RecursionError, MemoryError) as error:
        return {"error": reason(error)}
    return {"text": text} if len(text) <= LONGEST else {"error": f"it writes {len(text)} characters"}


def reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]


def main() -> None:
    request = json.load(sys.stdin)
    sys.path[:] = request["path"]
    limit()
    try:
        template = environment().from_string(request["template"])
    except (Exception, RecursionError, MemoryError) as error:
        answer: dict[str, Any] = {"error": reason(error)}
    else:
        answer = {"texts": [rendered(template, request["context"], some) for some in request["conversations"]]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
