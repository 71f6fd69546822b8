"""Options that an answer means: by VLMEvalKit's rules, and by a judge where the rules find none."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform import Problem, UsageError

from .answers import UNANSWERED, Rules, inferred_option
from .prompt_files import read_prompt_file

if TYPE_CHECKING:
    from .judge import Judge

_TRIES, _MAX_TOKENS = 3, 1024
_CHINESE = re.compile("[\u4e00-\u9fff]")
_SLOTS = 3

_ENGLISH = """\
Match an answer to the options of a single-choice question. Reply with one capital letter: that of the option whose \
meaning is closest to the answer, or Z if the answer means none of the options.

Question: What is the main object in the picture?
Options: A. teddy bear B. rabbit C. cat D. dog
Answer: a cute teddy bear
Letter: A

Question: What is the main object in the picture?
Options: A. teddy bear B. rabbit C. cat D. dog
Answer: a spider
Letter: Z

Question: {}?
Options: {}
Answer: {}
Letter: """
_CHINESE_PROMPT = """\
请把一个答案与单选题的选项对应起来。只回复一个大写字母: 与答案意思最接近的选项的字母;\
如果答案与所有选项的意思都不同, 回复 Z。

问题: 图片中的主要物体是什么?
选项: A. 泰迪熊 B. 兔子 C. 猫 D. 狗
答案: 一只可爱的泰迪熊
字母: A

问题: 图片中的主要物体是什么?
选项: A. 泰迪熊 B. 兔子 C. 猫 D. 狗
答案: 一只蜘蛛
字母: Z

问题: {}?
选项: {}
答案: {}
字母: """

OWN_WORDING = "janiform"
"""Name of the prompts above, where no official file is given."""


class OptionMatcher:
    """VLMEvalKit's procedure: its rules, then up to three answers of a judge, then a random option or none.

    Without a judge an answer in which the rules find no option counts as none. ``prompt_file``: VLMEvalKit's
    ``vlmeval/dataset/utils/multiple_choice.py``, whose wording the judge is asked with; an own wording without it.
    """

    def __init__(self, judge: Judge | None, prompt_file: str = "", seed: int = 0) -> None:
        self._judge, self._seed = judge, seed
        self.record: Any = OWN_WORDING
        self._english, self._chinese = _ENGLISH, _CHINESE_PROMPT
        if prompt_file and judge is not None:
            texts = read_prompt_file(Path(prompt_file).expanduser())
            self.record = texts.record
            by_function = {name: text for name, text in texts.texts if text.count("{}") == _SLOTS}
            try:
                self._english, self._chinese = by_function["build_prompt"], by_function["build_prompt_cn"]
            except KeyError as error:
                message = f"'{prompt_file}' has no text with three {{}} in a function {error}"
                hint = "give VLMEvalKit's vlmeval/dataset/utils/multiple_choice.py, or leave judge_prompt empty"
                raise UsageError(Problem(message, hint=hint)) from None

    def match(self, item: str, question: str, options: Mapping[str, str], answer: str, rules: Rules) -> str:
        """The letter of an option, or ``UNANSWERED``."""
        if letter := inferred_option(answer, options, rules):
            return letter
        if self._judge is None:
            return UNANSWERED
        prompt = self.prompt(question, options, answer.strip())
        for run in range(_TRIES):
            reply = self._judge.ask(prompt, temperature=0.0, max_tokens=_MAX_TOKENS, run=run)
            if letter := inferred_option(reply, options, rules):
                return letter
        return random_choice([*options, UNANSWERED], item, self._seed)

    def prompt(self, question: str, options: Mapping[str, str], answer: str) -> str:
        """The prompt for the judge, in Chinese where the question is."""
        template = self._chinese if _CHINESE.search(question) else self._english
        lines = "".join(f"{letter}. {text}\n" for letter, text in options.items())
        start, *rest = template.split("{}")
        values = (question, f"There are several options: \n{lines}", answer)
        return start + "".join(value + text for value, text in zip(values, rest, strict=True))


def random_choice(choices: Sequence[str], item: str, seed: int) -> str:
    """A random choice that depends on the item and the seed alone, not on the order in which items are judged."""
    digest = hashlib.sha256(f"{seed}/{item}".encode()).digest()
    return random.Random(digest).choice(choices)
