"""Visual question answering by a model from a folder: BLIP and ViLT of transformers, or a model of janiform.

DPG-Bench's own judge is mPLUG-large of ModelScope, which transformers does not have: scores by another model are
comparable only with scores by the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from janiform import UsageError, load, load_pretrained, pretrained_facts, pretrained_type
from PIL import Image

from .devices import usable_device

MOST_TOKENS = 25
"""Questions are cut after this many tokens, as by the official judge, where the model is BLIP."""

_AT_ONCE = 32


class BlipAnswers:
    """BLIP for visual question answering: it writes the answer, by beam search as the official judge does."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.folder, self.device = folder, usable_device(device)
        pretrained_type(folder, "VQA model 'blip'", ("blip",))
        self.model = load_pretrained("BlipForQuestionAnswering", folder, self.device)
        self.processor = load_pretrained("AutoProcessor", folder, self.device)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return {**pretrained_facts(self.folder, "blip", self.device), "question_tokens": MOST_TOKENS, "beams": 5}

    def answer(self, picture: Image.Image, questions: Sequence[str]) -> Sequence[str]:
        texts = [question.lower() for question in questions]
        ids = self.processor.tokenizer(texts, truncation=True, max_length=MOST_TOKENS)["input_ids"]
        answers = dict.fromkeys(texts, "")
        # The model attends to padding, so only questions of one length are asked together.
        for length in sorted({len(some) for some in ids}):
            same = list(dict.fromkeys(text for text, some in zip(texts, ids, strict=True) if len(some) == length))
            for start in range(0, len(same), _AT_ONCE):
                part = same[start : start + _AT_ONCE]
                answers |= zip(part, self._answers(picture, part), strict=True)
        return [answers[text] for text in texts]

    def _answers(self, picture: Image.Image, texts: Sequence[str]) -> list[str]:
        """Answers to questions of one length."""
        pictures = [picture] * len(texts)
        inputs = self.processor(
            images=pictures, text=list(texts), truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
        )
        with torch.inference_mode():
            ids = self.model.generate(**inputs.to(self.device), num_beams=5, max_new_tokens=10, do_sample=False)
        return [answer.strip() for answer in self.processor.batch_decode(ids, skip_special_tokens=True)]


class ViltAnswers:
    """ViLT for visual question answering: it chooses one of the answers that its config lists."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.folder, self.device = folder, usable_device(device)
        pretrained_type(folder, "VQA model 'vilt'", ("vilt",))
        self.model = load_pretrained("ViltForQuestionAnswering", folder, self.device)
        self.processor = load_pretrained("AutoProcessor", folder, self.device)
        labels = self.model.config.id2label
        if "yes" not in labels.values():
            raise UsageError(f"the VQA model in '{folder}' never answers 'yes': its config lists {len(labels)} answers")

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return pretrained_facts(self.folder, "vilt", self.device)

    def answer(self, picture: Image.Image, questions: Sequence[str]) -> Sequence[str]:
        answers: list[str] = []
        for start in range(0, len(questions), _AT_ONCE):
            texts = list(questions[start : start + _AT_ONCE])
            inputs = self.processor(
                images=[picture] * len(texts), text=texts, padding=True, truncation=True, return_tensors="pt"
            ).to(self.device)
            with torch.inference_mode():
                chosen = self.model(**inputs).logits.argmax(-1).tolist()
            answers += [self.model.config.id2label[index] for index in chosen]
        return answers


class JaniformAnswers:
    """A model of janiform, by its name or folder: it is asked to answer yes or no."""

    def __init__(self, name: str | Path, device: str = "auto") -> None:
        self.model = load(str(name), device=usable_device(device))

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"model": "janiform", "folder": self.model.name, "weights_sha256": self.model.digest}

    def answer(self, picture: Image.Image, questions: Sequence[str]) -> Sequence[str]:
        pairs = [(picture, f"{question}\nAnswer yes or no.") for question in questions]
        return [answer.strip().lower().rstrip(".") for answer in self.model.ask_all(pairs, max_new_tokens=8)]
