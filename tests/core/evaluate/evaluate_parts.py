"""A process that evaluates with others: ``python evaluate_parts.py RESULT [STORE [RANK_THAT_IS_KILLED]]``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import attrs
import janiform
import torch
from janiform import Model
from janiform.evaluate import requests
from janiform.evaluate.runner import evaluate
from janiform.train.distributed.process_group import join_processes

sys.path.insert(0, str(Path(__file__).parent))
from benchmarks_for_tests import Simple, many, quiet


def main(result: Path, store: str = "", killed: str = "") -> None:
    torch.set_num_threads(1)
    requests.MOST = 4
    model = janiform.load("janus-mini")
    with join_processes("cpu") as (processes, _):
        if killed == str(processes.rank):
            _kill_in_second_call(model)
        found = evaluate(model, Simple(given=many()), quiet, store=Path(store) if store else None, processes=processes)
    items = [attrs.asdict(item) for item in found.items]
    scores = {name: attrs.asdict(score) for name, score in found.scores.items()}
    result.with_suffix(f".{processes.rank}").write_text(json.dumps([scores, items]))


def _kill_in_second_call(model: Model) -> None:
    answer, calls = model.reply_all, []

    def kills(*given: Any, **settings: Any) -> list[str]:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer(*given, **settings)

    model.reply_all = kills  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
