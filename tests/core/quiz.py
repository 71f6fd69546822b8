"""A benchmark of questions whose answers are in its data file, with an aggregated score, as a plugin for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from janiform import Item, Metric, Score
from janiform.evaluate.results import Example, Result

QUIZ = """
import json
from pathlib import Path
from typing import Literal
from janiform import Conversation, Metric, Published, Request, Score, UsageError, mean_score
from PIL import Image

@attrs.frozen
class Settings:
    data: Path | None = setting(None)
    profile: Literal["official", "janus"] = setting("official")
    limit: int = setting(0)

class Quiz:
    metrics = {"quiz.overall": Metric(), "quiz.accuracy": Metric(chance=0.5), "quiz.by.day": Metric(),
               "quiz.by.night": Metric()}
    published = (Published("Janus <9B>", "quiz.overall", 0.75, "table 3, <own> prompt"),)

    def __init__(self, config):
        if config.data is None:
            raise UsageError("the quiz needs its data")
        file = config.data / "quiz.json" if config.data.is_dir() else config.data
        self.questions = json.loads(file.read_text())[: config.limit or None]
        self.config = config
        digest = str(hash(file.read_text()))
        self.settings = {"profile": config.profile, "data": [{"file": file.name, "sha256": digest}]}

    def requests(self):
        picture = Image.new("RGB", (9, 9), "red")
        return [Request(q["key"], q["picture"], Conversation.asking(q["question"], picture), reference=q["answer"])
                for q in self.questions]

    def judge(self, request, output):
        right = float(output.strip().lower() == request.reference)
        return {"quiz.accuracy": right, f"quiz.by.{'day' if int(request.item[1:]) % 2 else 'night'}": right}

    def aggregate(self, items):
        groups = {}
        for item in items:
            groups.setdefault(item.metric, []).append(item)
        scores = {name: mean_score(members) for name, members in groups.items()}
        squared = scores["quiz.accuracy"].value ** 2
        return {"quiz.overall": Score(squared, len(items)), **scores}

    def read_predictions(self, path, requests):
        return {row["key"]: row["prediction"] for row in map(json.loads, path.read_text().splitlines())}

    def write_official(self, folder, outputs):
        (folder / "official.json").write_text(json.dumps(dict(outputs)))

    def show(self, model, drawings, answers, progress): raise NotImplementedError

@hookimpl
def janiform_register(registrar):
    for name in ("quiz", "quiz-two"):
        registrar.component("benchmark", name, config=Settings, factory="fake_plugin_quiz:Quiz", summary="Asks.")
"""
"""``install("quiz", QUIZ)`` registers ``quiz`` and ``quiz-two``."""


def write_questions(path: Path, count: int = 12) -> Path:
    """Questions whose answers are yes and no in turn; two about each picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    questions = [
        {"key": f"q{n}", "picture": f"p{n // 2}", "question": f"Is {n} even?", "answer": "no" if n % 2 else "yes"}
        for n in range(count)
    ]
    path.write_text(json.dumps(questions))
    return path


def write_predictions(path: Path, wrong: set[int], count: int = 12, extra: tuple[str, ...] = ()) -> Path:
    """Predictions for all questions, of which some are wrong; in another order than the questions."""
    rows = [
        {"key": f"q{n}", "prediction": ("Yes" if n % 2 else "No") if n in wrong else ("No" if n % 2 else "Yes")}
        for n in reversed(range(count))
    ]
    rows += [{"key": key, "prediction": "yes"} for key in extra]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def result(values: list[float], *, score: float | None = None, clusters: int = 0, **settings: Any) -> Result:
    """A result with the score ``quiz.accuracy``, by default the mean of its items, with an interval of ± 0.1."""
    items = [Item("quiz.accuracy", f"q{n}", f"p{n % clusters if clusters else n}", value, f"answer {n}")
             for n, value in enumerate(values)]  # fmt: skip
    mean = sum(values) / len(values) if score is None else score
    examples = [Example(f"q{n}", f"question {n}", "yes") for n in range(len(values))]
    scores = {"quiz.accuracy": Score(mean, len(values), mean - 0.1, mean + 0.1)}
    return Result(scores, {"quiz.accuracy": Metric()}, {"profile": "janus", **settings}, items, (), examples)
