"""``janiform plan``: what training a recipe takes, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import Problem, UsageError
from .options import overrides_option
from .output import console, json_option, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..planning.plan import StagePlan, TrainingPlan, Way


@click.command()
@click.argument("recipe")
@click.option("--gpus", type=click.IntRange(1), default=8, show_default=True, help="How many, on all machines.")
@click.option("--gpu", default="a100-80g", show_default=True, metavar="NAME", help="Which: a100-40g, h100, h200, …")
@click.option(
    "--mfu", type=click.FloatRange(0.001, 1), default=0.4, show_default=True, help="Share of their arithmetic."
)
@click.option("--days", type=click.FloatRange(min=0.001), help="How long it took, or may take: says the MFU of that.")
@click.option("--stages", metavar="A,B", help="Only these stages.")
@click.option("--length", "lengths", multiple=True, metavar="SOURCE=N", help="Positions of a sample of a source.")
@click.option("--tflops", type=click.FloatRange(min=0.001), help="Of a GPU in bfloat16, instead of the table's.")
@click.option("--memory", type=click.FloatRange(min=0.001), help="Of a GPU in GiB, instead of the table's.")
@click.option("--node", type=click.IntRange(1), help="GPUs of a machine, instead of 8.")
@overrides_option
@json_option
def command(
    recipe: str,
    gpus: int,
    gpu: str,
    mfu: float,
    days: float | None,
    stages: str | None,
    lengths: tuple[str, ...],
    tflops: float | None,
    memory: float | None,
    node: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> int:
    """Memory, communication, speed and days of every training stage of RECIPE, a recipe's name or file.

    Nothing is trained and no weight is made. Exits with 1 where a stage does not fit, and says what would.
    """
    from ..measure.gpus import gpu_named
    from ..planning.plan import Order, plan_training
    from ..recipe import read_recipe

    chosen = None if stages is None else [name.strip() for name in stages.split(",") if name.strip()]
    order = Order(gpu_named(gpu, tflops=tflops, memory=memory, node=node), gpus, mfu, dict(map(_length, lengths)))
    found = plan_training(read_recipe(recipe, overrides), order, chosen)
    if as_json:
        print_json(_plain(found, days))
    else:
        _show(found, days, console())
    return 0 if found.fits else 1


def _length(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not equals or not number.strip().isdecimal() or int(number) < 1:
        raise UsageError(Problem(f"--length {text} says no length", hint="write SOURCE=N, such as draw=650"))
    return name.strip(), int(number)


def _plain(found: TrainingPlan, days: float | None) -> dict[str, Any]:
    gpu, order = found.order.gpu, found.order
    return {
        "recipe": found.recipe,
        "gpu": {"name": gpu.name, "tflops": gpu.tflops, "memory": gpu.memory, "node": gpu.node},
        "gpus": order.gpus,
        "mfu": order.mfu,
        "memory_for_training": found.room,
        "fits": found.fits,
        "stages": [_plain_stage(stage, found.room) for stage in found.stages],
        "days": found.days,
        "gpu_hours": found.gpu_hours,
        **({} if days is None else {"mfu_of_days": {"days": days, "mfu": found.mfu_of(days)}}),
        "samples": {
            name: {
                "words": sample.words,
                "predicted_words": sample.learned,
                "pictures": dict(sample.pictures),
                "known": sample.said,
            }
            for name, sample in found.samples.items()
        },
    }


def _plain_stage(stage: StagePlan, room: int) -> dict[str, Any]:
    if stage.memory is None or stage.way is None or stage.traffic is None:
        return {"name": stage.name, "steps": stage.steps, "problem": stage.problem}
    return {
        "name": stage.name,
        "steps": stage.steps,
        "samples_a_step": stage.samples,
        "tokens_a_step": stage.tokens,
        "flops_a_step": stage.flops,
        "trained_parameters": stage.trained,
        **_plain_way(stage.way),
        "memory": {**stage.memory.as_dict(), "total": stage.memory.total},
        "fits": stage.memory.total <= room,
        "would_fit": [
            {"set": list(way.changes), **_plain_way(way), "total": memory.total, "fits": memory.total <= room}
            for way, memory in stage.others
        ],
        "sent_a_step": {
            "weights_gathered": stage.traffic.gathered,
            "gradients_scattered": stage.traffic.scattered,
            "gradients_reduced": stage.traffic.reduced,
            "seconds": stage.traffic.seconds,
        },
        "seconds_a_step": stage.seconds,
        "tokens_a_second": stage.tokens / stage.seconds,
        "days": stage.days,
    }


def _plain_way(way: Way) -> dict[str, Any]:
    return {
        "parallel": way.parallel,
        "shards": way.shards,
        "micro_batch": way.micro_batch,
        "checkpointing": list(way.checkpointing) if isinstance(way.checkpointing, tuple) else way.checkpointing,
    }


def _show(found: TrainingPlan, days: float | None, out: Console) -> None:
    from rich.text import Text

    from ..units import size

    order, gpu = found.order, found.order.gpu
    out.print(
        Text.assemble(
            (found.recipe, "bold"),
            f" on {order.gpus} × {gpu.name}, {gpu.tflops:g} TFLOP/s and {size(gpu.memory)} each, "
            f"of which {size(found.room)} can be used",
        )
    )
    planned = [stage for stage in found.stages if stage.memory is not None]
    if planned:
        _show_memory(planned, found.room, out)
        _show_time(planned, out)
    for stage in found.stages:
        if stage.problem:
            out.print(Text.assemble((stage.name, "cyan"), (f": {stage.problem}", "yellow")))
        elif stage.others:
            _show_others(stage, found.room, out)
    if planned:
        out.print(
            Text.assemble(
                (f"{found.days:.1f} days", "bold"), f", {found.gpu_hours:,.0f} GPU-hours at an MFU of {order.mfu:.0%}"
            )
        )
    if days is not None and planned:
        out.print(f"{days:g} days would be an MFU of {found.mfu_of(days):.1%}")
    known = "; ".join(f"{name} {_sample(sample)}" for name, sample in found.samples.items())
    out.print(f"Samples: {known}", style="dim", soft_wrap=True)


def _sample(sample: Any) -> str:
    pictures = ", ".join(f"{count:g} × {name}" for name, count in sample.pictures.items())
    return (
        f"{sample.words:.0f} tokens of text{' and ' + pictures if pictures else ''} ({sample.said.partition(',')[0]})"
    )


def _show_memory(stages: list[StagePlan], room: int, out: Console) -> None:
    from rich.text import Text

    from ..units import size

    rows = table("On one GPU", *[stage.name for stage in stages], title="Memory")
    for column in rows.columns[1:]:
        column.justify = "right"
    kinds = [stage.memory.as_dict() for stage in stages if stage.memory is not None]
    for kind in kinds[0]:
        rows.add_row(_KINDS[kind], *[size(of[kind]) for of in kinds])
    totals = [sum(of.values()) for of in kinds]
    rows.add_row(
        Text("together", style="bold"),
        *[Text(size(total), style="bold green" if total <= room else "bold red") for total in totals],
    )
    ways = [stage.way for stage in stages if stage.way is not None]
    rows.add_row("divided among", *[f"{way.shards} GPUs" if way.shards > 1 else "–" for way in ways])
    rows.add_row("micro-batch", *[f"{way.micro_batch} samples" for way in ways])
    rows.add_row(
        "recomputed", *["all blocks" if w.checkpointing is True else "some" if w.checkpointing else "–" for w in ways]
    )
    out.print(rows)


_KINDS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "gathered": "gathered from others",
    "casts": "weights in bfloat16",
    "activations": "activations",
    "logits": "logits",
}


def _show_time(stages: list[StagePlan], out: Console) -> None:
    from ..units import count, duration, size

    rows = table("Stage", "Steps", "Tokens a step", "Tokens/s", "A step", "Sends a step", "Days", title="Time")
    rows.columns[0].no_wrap = True
    for column in rows.columns[1:]:
        column.justify = "right"
    for stage in stages:
        if stage.traffic is None:
            continue
        sent = stage.traffic.gathered + stage.traffic.scattered + stage.traffic.reduced
        rows.add_row(
            stage.name,
            f"{stage.steps:,}",
            count(stage.tokens),
            count(round(stage.tokens / stage.seconds)),
            duration(stage.seconds) if stage.seconds >= 10 else f"{stage.seconds:.2f} s",
            f"{size(sent)}, {stage.traffic.seconds:.2f} s" if sent else "–",
            f"{stage.days:.2f}",
        )
    out.print(rows)


def _show_others(stage: StagePlan, room: int, out: Console) -> None:
    from rich.text import Text

    from ..units import size

    assert stage.memory is not None
    fits = stage.others[0][1].total <= room
    said = f" does not fit: {size(stage.memory.total)} of {size(room)}. " + ("What would:" if fits else "The least:")
    out.print(Text.assemble((stage.name, "cyan"), (said, "red")))
    for way, memory in stage.others:
        changes = " ".join(f"--set '{change}'" for change in way.changes)
        out.print(Text.assemble("  ", (changes, "bold"), f"  {size(memory.total)}"), soft_wrap=True)
    if not fits:
        out.print("  Nor does that: take GPUs with more memory, or more of them.")
