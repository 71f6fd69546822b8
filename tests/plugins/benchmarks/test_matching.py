"""A judge is asked for the option of an answer only where the rules find none, with the wording of a file or ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import data_mmbench
import data_mmmu
import pytest
from janiform import UsageError
from janiform_plugins.benchmarks.judge import Judge
from janiform_plugins.benchmarks.judge_config import JudgedConfig
from janiform_plugins.benchmarks.matching import OptionMatcher
from janiform_plugins.benchmarks.mmbench.benchmark import MMBench
from janiform_plugins.benchmarks.mmbench.config import MMBenchConfig
from janiform_plugins.benchmarks.mmmu.benchmark import MMMU
from janiform_plugins.benchmarks.mmmu.config import MMMUConfig
from judge_server import judge_server
from scoring import values_of

OPTIONS = {"A": "A dog", "B": "A cat", "C": "Two birds", "D": "horse"}

OFFICIAL = """
def build_prompt(question, options, prediction):
    tmpl = (
        'Match this. '
        'Question: {}?\\nOptions: {}\\nAnswer: {}\\nYour output: '
    )
    return tmpl.format(question, options, prediction)


def build_prompt_cn(question, options, prediction):
    tmpl = ('问题: {}?选项: {}答案: {}输出: ')
    return tmpl.format(question, options, prediction)
"""
"""A file with the shape of VLMEvalKit's, in words of our own."""


class FakeJudge:
    """Replies in turn, and keeps what it was asked."""

    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.prompts: list[str] = []
        self.runs: list[int] = []

    def ask(self, prompt: str, *, run: int, **_: Any) -> str:
        self.prompts.append(prompt)
        self.runs.append(run)
        return self.replies.pop(0)


def match(judge: FakeJudge | None, answer: str, file: Path | None = None, question: str = "What is it") -> str:
    matcher = OptionMatcher(judge, str(file or ""))  # type: ignore[arg-type]
    return matcher.match("item", question, OPTIONS, answer, "2026-06")


def test_the_rules_come_first() -> None:
    judge = FakeJudge()
    assert match(judge, "(C)") == "C"
    assert not judge.prompts


def test_without_a_judge_an_answer_that_names_no_option_is_wrong() -> None:
    assert match(None, "feline") == "Z"


def test_a_judge_is_asked_up_to_three_times() -> None:
    judge = FakeJudge("no idea", "", "B")
    assert match(judge, " feline ") == "B"
    assert judge.runs == [0, 1, 2]
    assert len(set(judge.prompts)) == 1
    listed = "Options: There are several options: \nA. A dog\nB. A cat\nC. Two birds\nD. horse\n\nAnswer: feline\n"
    assert f"Question: What is it?\n{listed}" in judge.prompts[0]
    assert match(FakeJudge("Z"), "feline") == "Z"


def test_after_three_replies_that_name_nothing_the_option_is_random_by_item_and_seed() -> None:
    drawn = {seed: OptionMatcher(FakeJudge("?", "?", "?"), "", seed) for seed in range(40)}  # type: ignore[arg-type]
    letters = {seed: matcher.match("i", "q", OPTIONS, "feline", "2026-06") for seed, matcher in drawn.items()}
    assert set(letters.values()) == set("ABCDZ")
    again = OptionMatcher(FakeJudge("?", "?", "?"), "", 5)  # type: ignore[arg-type]
    assert again.match("i", "q", OPTIONS, "feline", "2026-06") == letters[5]


def test_the_wording_of_vlmevalkits_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "multiple_choice.py"
    file.write_text(OFFICIAL, "utf-8")
    judge = FakeJudge("A", "A")
    match(judge, "{}", file)  # braces in an answer are not places of the template
    lines = "There are several options: \nA. A dog\nB. A cat\nC. Two birds\nD. horse\n"
    assert judge.prompts == [f"Match this. Question: What is it?\nOptions: {lines}\nAnswer: {{}}\nYour output: "]
    match(judge, "猫", file, "它是什么")
    assert judge.prompts[1].startswith("问题: 它是什么?选项: There are several options: \nA. A dog")
    assert OptionMatcher(judge, str(file)).record["file"] == "multiple_choice.py"  # type: ignore[arg-type]
    assert OptionMatcher(judge).record == "janiform"  # type: ignore[arg-type]
    own = FakeJudge("A")
    match(own, "猫", None, "它是什么")
    assert "它是什么?" in own.prompts[0]
    assert "字母" in own.prompts[0]


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    file.write_text("def build_prompt():\n    return 'one {} place'\n")
    with pytest.raises(UsageError, match=r"has no text with three \{\} in a function 'build_prompt' \(give VLMEvalKit"):
        OptionMatcher(FakeJudge(), str(file))  # type: ignore[arg-type]


def test_leftovers_of_mmbench_are_judged_and_the_cost_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    data = data_mmbench.write_vlmevalkit(tmp_path / "data")

    def reply(request: dict[str, Any]) -> str:
        prompt = request["messages"][0]["content"]
        last = prompt.rpartition("\nOptions: ")[2]  # those of the question, after those of the examples
        return next((line[0] for line in last.splitlines() if line.endswith("A cat")), "Z")

    def answers(request: Any) -> str:
        return "feline" if "241" in request.item else data_mmbench.gold(request.item)

    with judge_server(reply) as server:
        settings = server.settings(tmp_path / "cache", judge_price=(1.0, 1.0))
        benchmark = MMBench(MMBenchConfig(data=data, **settings))
        values = values_of(benchmark, answers)
        assert (values["mmbench.circular"], values["mmbench.vanilla_all"]) == (1.0, 1.0)
        assert values["mmbench.read_by_rule"] == pytest.approx(5 / 9)
        facts = benchmark.settings
        assert facts["judge"]["model"] == "judge-1"
        assert facts["judge"]["answers"] == 5  # one of them checks the endpoint
        assert facts["judge"]["cost_usd"] > 0
        assert facts["judge_prompt"] == "janiform"
        again = MMBench(MMBenchConfig(data=data, **settings))
        pairs = [(request, answers(request)) for request in again.requests()]
        assert [again.judge(*pair)["mmbench.vanilla_all"] for pair in pairs] == [1.0] * 9
        assert again.settings["judge"]["asked"] == 0
        server.faults = [401]
        with pytest.raises(UsageError, match="refused with status 401"):  # before any question is asked
            MMBench(MMBenchConfig(data=data, **settings | {"judge": "another"})).requests()
    without = values_of(MMBench(MMBenchConfig(data=data)), answers)
    assert without["mmbench.circular"] == pytest.approx(2 / 3)
    assert MMBench(MMBenchConfig(data=data)).settings["judge"] is None
    with pytest.raises(UsageError, match="the extraction 'lmms-eval' asks no judge, but judge is 'judge-1'"):
        MMBench(MMBenchConfig(data=data, profile="lmms-eval", **settings))


def test_open_questions_of_mmmu_are_judged_as_choices(tmp_path: Path) -> None:
    data = data_mmmu.write_official(tmp_path)
    judge = FakeJudge("A", "A", "Z")
    judge.check = lambda: None  # type: ignore[attr-defined]
    benchmark = MMMU(MMMUConfig(data=data, profile="vlmevalkit"), judge)  # type: ignore[arg-type]
    answers = {**data_mmmu.GOLD, "validation_Math_1": "36", "validation_Basic_Medical_Science_10": "lung"}
    values = values_of(benchmark, answers)
    assert len(judge.prompts) == 3
    assert "A. ['Tampa', 'Florida']\nB. Other Answers\n" in judge.prompts[0]
    assert values["mmmu.open"] == pytest.approx(1 / 3), "the answer C to an open question is never right"


def test_a_judge_of_the_settings_is_made_with_them() -> None:
    config = JudgedConfig(judge="m", judge_url="http://localhost/v1", judge_cache="/tmp/x")
    judge = Judge(config, client=object())
    assert judge.cache == Path("/tmp/x")
