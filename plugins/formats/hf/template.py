"""The form of a conversation that a chat template writes: names of roles, and the texts around turns.

The template is rendered for conversations whose texts are known, and the rest of what it writes is the form.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

LARGEST = 1 << 18
"""Most characters of a template; released ones have some thousands."""

SECONDS = 60
"""Seconds of the clock until rendering is given up; the renderer itself has few seconds of the processor."""

QUESTION, ANSWER, NEXT, SYSTEM, REPLY, LAST = (
    f"probe {word} 7" for word in ("question", "answer", "request", "instruction", "reply", "demand")
)
_CONVERSATIONS = (
    (QUESTION, ANSWER, NEXT),
    (SYSTEM, QUESTION),
    (QUESTION,),
    (QUESTION, ANSWER, NEXT, REPLY, LAST),
    (SYSTEM, QUESTION, ANSWER, NEXT),
)
"""The form is read from the first two; the others must have it as well."""

DEEPSEEK = {"after_role": ":", "before_content": " ", "after_user": "\n\n", "before_role": "", "after_answer": ""}
"""Form of the ``deepseek`` template of Janus, in which a system text always stands as in the reference."""

_TOKEN = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]|\w+|\s+|.", re.DOTALL)
"""A special token, a word, white space, or another character."""


class UnreadableTemplateError(Exception):
    """A template that does not write conversations in a form that the layout has; the message is the reason."""


def read_template(template: str, tokens: Mapping[str, str], special: Sequence[str]) -> dict[str, Any]:
    """The layout's settings that a template decides.

    ``tokens``: special tokens by the names that templates know (``bos_token``). ``special``: all special tokens.
    Raises ``UnreadableTemplateError``.
    """
    if len(template) > LARGEST:
        raise UnreadableTemplateError(f"it has {len(template)} characters, and the limit is {LARGEST}")
    context = json.dumps(dict(sorted(tokens.items())))
    texts = _rendered(template, context)
    plain = all(probe in texts[0].get("text", "") for probe in (QUESTION, ANSWER, NEXT))
    parts = texts[len(_CONVERSATIONS) :]
    if not plain and "'type'" not in parts[0].get("text", ""):
        texts = parts if "text" in parts[0] or "error" not in texts[0] else texts
    settings = _settings(texts[0], texts[1], tokens, special)
    for conversation, text in zip(_CONVERSATIONS, texts, strict=False):
        _check_form(settings, conversation, text.get("text", ""), tokens)
    return settings


def _check_form(settings: Mapping[str, Any], conversation: Sequence[str], text: str, tokens: Mapping[str, str]) -> None:
    """Raise ``UnreadableTemplateError`` where the settings give another text for a conversation than the template."""
    with_system = conversation[0] == SYSTEM
    if with_system and "before_system" not in settings:
        return
    end = settings.get("end", tokens.get("eos_token", ""))
    expected = f"{settings['before_system']}{SYSTEM}{settings['after_system']}" if with_system else settings["start"]
    turns = conversation[1:] if with_system else conversation
    roles = [f"{settings['before_role']}{role}{settings['after_role']}" for role in settings["roles"]]
    after = (settings["after_user"], settings["after_answer"] or end)
    for number, turn in enumerate(turns):
        expected += f"{roles[number % 2]}{settings['before_content']}{turn}{after[number % 2]}"
    expected += roles[1]
    actual = text.removeprefix(tokens.get("bos_token", ""))
    # A template may end a prompt with the white space that stands before an answer.
    if actual not in (expected, expected + settings["before_content"]):
        kind = f"{len(conversation)} turn{'s' if len(conversation) > 1 else ''}"
        same = next((at for at, pair in enumerate(zip(expected, actual, strict=False)) if pair[0] != pair[1]), 0)
        raise UnreadableTemplateError(
            f"it does not write all conversations in one form: of {kind}, {_shown(actual[same:])} stands where "
            f"{_shown(expected[same:])} follows from others"
        )


@lru_cache(maxsize=64)
def _rendered(template: str, context: str) -> Sequence[Mapping[str, str]]:
    """Conversations, each as ``{"text": …}`` or ``{"error": …}``.

    Those of ``_CONVERSATIONS``, and the same again with contents that are lists of parts, as the processors of
    transformers give them. A template of texts writes such lists as Python would.
    """

    roles = {ANSWER: "assistant", REPLY: "assistant", SYSTEM: "system"}
    plain = [[{"role": roles.get(text, "user"), "content": text} for text in some] for some in _CONVERSATIONS]
    parts = [[{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in some] for some in plain]
    request = {
        "path": [entry for entry in sys.path if entry],
        "template": template,
        "context": {**json.loads(context), "add_generation_prompt": True, "tools": None, "documents": None},
        "conversations": plain + parts,
    }
    renderer = Path(__file__).with_name("render.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(renderer)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise UnreadableTemplateError(f"rendering it takes more than {SECONDS} seconds") from None
    except OSError as error:
        raise UnreadableTemplateError(f"no process could be started to render it: {error.strerror}") from error
    except ValueError:
        raise UnreadableTemplateError("rendering it takes too much time or memory") from None
    if "error" in answer:
        raise UnreadableTemplateError(f"it is not a valid jinja2 template: {answer['error']}")
    texts: Sequence[Mapping[str, str]] = answer["texts"]
    return texts


def _settings(
    conversation: Mapping[str, str], instructed: Mapping[str, str], tokens: Mapping[str, str], special: Sequence[str]
) -> dict[str, Any]:
    if "error" in conversation:
        raise UnreadableTemplateError(
            f"it fails for a question, its answer and another question: {conversation['error']}"
        )
    before, between, after, last = _pieces(conversation["text"], QUESTION, ANSWER, NEXT)
    if not between.startswith(last):
        raise UnreadableTemplateError(
            f"it ends a prompt with {_shown(last)}, but writes {_shown(between)} before an answer that it has"
        )
    begin = tokens.get("bos_token", "")
    before = before.removeprefix(begin)
    start, to_answer, from_answer = _TOKEN.findall(before), _TOKEN.findall(between), _TOKEN.findall(after)
    content = between[len(last) :]
    ending = _common_suffix(to_answer, from_answer)
    while ending and ending[0][0].isalnum():
        del ending[0]
    if not "".join(ending).endswith(content) or not "".join(start).endswith("".join(ending)):
        raise UnreadableTemplateError(
            f"it writes {_shown(between)} before an answer and {_shown(after)} before a question, of another form"
        )
    start, to_answer, from_answer = (some[: len(some) - len(ending)] for some in (start, to_answer, from_answer))
    user = _common_suffix(start, from_answer)
    ends = {from_answer[0], tokens.get("eos_token")} - {start[0]} if user else set()
    while len(user) > 1 and (user[0].isspace() or user[0] in ends):
        del user[0]  # it belongs to the turn before
    after_answer = "".join(from_answer[: len(from_answer) - len(user)])
    role, after_user, assistant = _roles(user, to_answer, from_answer)
    after_role = "".join(ending)[: len("".join(ending)) - len(content)]
    user_name = "".join(user[len(role) :])
    if not user_name.strip() or not assistant.strip() or user_name == assistant:
        raise UnreadableTemplateError(f"it writes no name before a turn: {_shown(after)}, {_shown(between)}")
    end = tokens.get("eos_token", "")
    first = _TOKEN.findall(after_answer)[:1]
    if first and first[0] != end and first[0] in special:
        end = first[0]
    if not after_answer:
        raise UnreadableTemplateError("it writes nothing between an answer and the next question")
    settings: dict[str, Any] = {
        "roles": [user_name, assistant],
        "before_role": "".join(role),
        "after_role": after_role,
        "before_content": content,
        "after_user": after_user,
        "after_answer": "" if after_answer == end else after_answer,
    }
    if end:
        settings["end"] = end
    opening = "".join(user) + "".join(ending)
    settings["start"] = before[: len(before) - len(opening)]
    if settings.items() >= DEEPSEEK.items() and not settings["start"]:
        return settings
    return settings | _system(instructed, begin, opening)


def _system(instructed: Mapping[str, str], begin: str, opening: str) -> dict[str, str]:
    """The texts around a system text, where the template takes one."""
    text = instructed.get("text", "")
    if text.count(SYSTEM) != 1 or text.count(QUESTION) != 1:
        return {}
    before, between, _ = _pieces(text, SYSTEM, QUESTION)
    if not between.endswith(opening):
        return {}
    return {"before_system": before.removeprefix(begin), "after_system": between[: len(between) - len(opening)]}


def _roles(user: Sequence[str], to_answer: Sequence[str], from_answer: Sequence[str]) -> tuple[list[str], str, str]:
    """What stands before the name of every role, what follows a question, and the assistant's name.

    ``user``: the tokens of a user's role, ``to_answer``: those between a question and the assistant's name, with it.
    """
    for count in range(len(user) - 1, 0, -1):
        role = list(user[:count])
        if any(token[0].isalnum() for token in role):
            continue
        for at in range(len(to_answer) - count - 1, -1, -1):
            if list(to_answer[at : at + count]) == role:
                return role, "".join(to_answer[:at]), "".join(to_answer[at + count :])
    at = 0
    while at < len(to_answer) - 1 and (to_answer[at].isspace() or to_answer[at] == from_answer[0]):
        at += 1
    return [], "".join(to_answer[:at]), "".join(to_answer[at:])


def _pieces(text: str, *probes: str) -> list[str]:
    """The texts around the probes. Raises ``UnreadableTemplateError`` unless each stands there once, in this order."""
    pieces = []
    for probe in probes:
        piece, found, text = text.partition(probe)
        if not found or probe in text:
            raise UnreadableTemplateError("it does not write every turn of a conversation once, as it is")
        pieces.append(piece)
    return [*pieces, text]


def _common_suffix(one: Sequence[str], other: Sequence[str]) -> list[str]:
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return list(one[len(one) - count :])


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:79] + "…", ensure_ascii=False)
