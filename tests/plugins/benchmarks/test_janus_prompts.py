"""The prompts of the Janus papers, from the data to the text that a model reads: as VLMEvalKit's wrapper builds it.

One turn of ``User`` with the picture first, an empty answer of ``Assistant``, and no system text but that of MM-Vet.
"""

from __future__ import annotations

from pathlib import Path

import data_all
import pytest
from attrs import evolve
from janiform import UnifiedModel
from janiform.components.registrar import Registrar
from janiform.evaluate.benchmarks import build_benchmark
from janiform_plugins.benchmarks import janiform_register
from janiform_plugins.benchmarks.mm_vet.benchmark import JANUS_SYSTEM

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
PROMPTS = {
    "pope": f"[picture]\nIs there a snowboard in the image?\n{SHORT}",
    "mme": f"[picture]\nIs Yes right for existence 1? Please answer yes or no.\n{SHORT}",
    "gqa": f"[picture]Is it overcast?\n{SHORT}",
    "seed-bench": f"[picture]\nHow many towels are in picture 0?\nA. One\nB. Two towels\nC. 3\nD. None\n\n{LETTER}",
    "mmbench": f"[picture]\nWhat is it?\nA. A dog\nB. A cat\nC. Two birds\nD. horse\n\n{LETTER}",
    "mmmu": f"[picture]\n<image 1> What is the price?\nA. $6\nB. $7\nC. $8\nD. $9\n\n{LETTER}",
    "mm-vet": "[picture]\nWhat is x?",
}


@pytest.mark.parametrize("kind", ["official", "vlmevalkit", "llava"])
@pytest.mark.parametrize("name", PROMPTS)
def test_a_model_reads_what_it_reads_in_vlmevalkit(
    official_model: UnifiedModel, tmp_path: Path, name: str, kind: str
) -> None:
    registrar = Registrar("benchmarks")
    janiform_register(registrar)
    component = next(one for one in registrar.finish()[0] if one.name == name)
    settings = {"judge": "none"} if name == "mm-vet" else {}
    data = str(data_all.write_all(tmp_path, kind) / name)
    benchmark = build_benchmark(component, {"data": data, "profile": "janus", **settings})
    first = benchmark.requests()[0]
    processor = official_model.processor
    layout = processor.layout
    words = type(layout)(evolve(layout.config, roles=("User", "Assistant")), processor.text, layout.pathways)
    spans = words.render(first.conversation, answer=False).spans
    texts = ["[picture]" if span.kind == "look" else processor.text.decode(span.ids) for span in spans]
    system = f"{JANUS_SYSTEM}\n\n" if name == "mm-vet" else ""
    assert "".join(texts) == f"{system}User: {PROMPTS[name]}\n\nAssistant:"
