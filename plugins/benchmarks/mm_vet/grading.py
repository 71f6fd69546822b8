"""The grades of a judge: its prompt from an official file, one row of a table to complete, and how replies are read.

The official code, VLMEvalKit and lmms-eval differ in the text, the temperatures of further tries and what they read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen
from janiform import Problem, UsageError

from ..prompt_files import read_prompt_file

if TYPE_CHECKING:
    from ..judge import Judge

Form = Literal["official", "vlmevalkit", "lmms-eval"]

_HEADER = "Ground truth | Prediction | Correctness"
_GRADED_ROW = re.compile(r"\| (?:0\.\d|1\.0)[ \t]*$", re.MULTILINE)
_EXAMPLES = 7
_AGAIN = "\nPredict the correctness of the answer (digit): "
"""What the official code adds to the prompt of every further try."""


@frozen
class Grader:
    """How a judge is asked: temperatures of the tries, tokens of a reply, and which part of a reply is the grade.

    ``again``: what is added to the prompt from the second try on. ``end``: what follows the last bar of the row.
    """

    temperatures: tuple[float, ...]
    max_tokens: int
    first_word: bool
    again: str = ""
    end: str = " "


GRADERS: Mapping[Form, Grader] = {
    "official": Grader((0.0, 0.0, 0.5, 1.0, 1.5), 3, first_word=True, again=_AGAIN),
    "vlmevalkit": Grader((0.0, 0.5, 1.0, 1.5, 2.0), 2048, first_word=False),
    "lmms-eval": Grader((0.0, 0.5, 1.0, 1.5), 128, first_word=True, end=""),
}
"""The official code repeats its first temperature once, since it raises it after the second try."""


@frozen
class GradingPrompt:
    """The text before the row to complete, and the record of its file."""

    text: str
    record: dict[str, Any]

    def row(self, question: str, answer: str, prediction: str, grader: Grader) -> str:
        """The whole prompt for one prediction. Bars and line breaks in the cells are not escaped, as officially."""
        answer = answer.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        return f"{self.text}\n{question} | {answer} | {prediction} |{grader.end}"


def read_grading_prompt(file: str) -> GradingPrompt:
    """The prompt in an official file: the evaluator of MM-Vet, or that of VLMEvalKit or lmms-eval.

    Raises ``UsageError`` where the file has none, or one without the seven examples.
    """
    path = Path(file).expanduser()
    source = read_prompt_file(path)
    text = source.one(_HEADER, "MM-Vet's mm-vet_evaluator.py or .ipynb, or of its prompt alone")
    examples = len(_GRADED_ROW.findall(text))
    if examples != _EXAMPLES:
        message = f"the prompt in '{path}' has {examples} graded examples, expected {_EXAMPLES}"
        raise UsageError(Problem(message, hint="give an unchanged copy of MM-Vet's mm-vet_evaluator.py"))
    facts = {"form": _form_of(text), "prompt_sha256": hashlib.sha256(text.encode()).hexdigest()}
    return GradingPrompt(text, {**source.record, **facts})


def _form_of(text: str) -> Form:
    """Whose text it is: lmms-eval lost a cell of the header, and VLMEvalKit breaks the lines of long cells."""
    if f"Question | {_HEADER}" not in text:
        return "lmms-eval"
    rows = text[text.index(_HEADER) :].strip().split("\n")[2:]
    return "official" if len(rows) == _EXAMPLES else "vlmevalkit"


def grade(judge: Judge, prompt: str, grader: Grader, run: int) -> float | None:
    """The grade of a prediction, from 0 to 1; None where no try gives one. ``run`` tells repeated gradings apart."""
    for number, temperature in enumerate(grader.temperatures):
        text = prompt + (grader.again if number else "")
        reply = judge.ask(text, temperature=temperature, max_tokens=grader.max_tokens, run=run)
        if (value := read_grade(reply, first_word=grader.first_word)) is not None:
            return value
    return None


def read_grade(reply: str, *, first_word: bool) -> float | None:
    """The number from 0 to 1 that a reply is, or that its first word is; None for anything else."""
    try:
        value = float(reply.split(" ")[0] if first_word else reply)
    except ValueError:
        return None
    return value if 0.0 <= value <= 1.0 else None
