"""``janiform plan``: what training a recipe takes, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import Problem, UsageError
from .options import overrides_option
from .output import console, json_option, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..planning.memory import Memory
    from ..planning.plan import TrainingPlan
    from ..planning.samples import Sample
    from ..planning.stage_plan import Execution, StagePlan
    from ..planning.step_work import Positions


@click.command()
@click.argument("recipe")
@click.option("--gpus", type=click.IntRange(1), default=8, show_default=True, help="Number of GPUs, on all machines.")
@click.option("--gpu", default="a100-80g", show_default=True, metavar="NAME", help="Kind of GPU: a100-40g, h100, …")
@click.option(
    "--mfu",
    type=click.FloatRange(0.001, 1),
    default=0.4,
    show_default=True,
    help="Fraction of the GPUs' arithmetic that is used.",
)
@click.option("--days", type=click.FloatRange(min=0.001), help="Report the MFU at which training takes this many days.")
@click.option("--stages", metavar="A,B", help="Plan only these stages.")
@click.option(
    "--length",
    "lengths",
    multiple=True,
    metavar="SOURCE=N",
    help="Positions of a source's samples; measured or assumed by default; may be repeated.",
)
@click.option("--tflops", type=click.FloatRange(min=0.001), help="TFLOP/s of a GPU in bfloat16; overrides the table's.")
@click.option("--memory", type=click.FloatRange(min=0.001), help="Memory of a GPU in GiB; overrides the table's.")
@click.option("--node", type=click.IntRange(1), help="GPUs per machine; 8 by default.")
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
    """Plan memory, FLOPs, communication, speed and days of every training stage of RECIPE, a recipe's name or file.

    Nothing is trained and no weights are made. Exits with 1 where a stage does not fit, and shows what would.
    """
    from ..measure.gpus import gpu_named
    from ..planning.plan import plan_training
    from ..planning.stage_plan import PlanRequest
    from ..recipe import read_recipe

    chosen = None if stages is None else [name.strip() for name in stages.split(",") if name.strip()]
    kind = gpu_named(gpu, tflops=tflops, memory=memory, node=node)
    request = PlanRequest(kind, gpus, mfu, dict(map(_length, lengths)))
    plan = plan_training(read_recipe(recipe, overrides), request, chosen)
    if as_json:
        print_json(_as_json(plan, days))
    else:
        _show(plan, days, console())
    return 0 if plan.fits else 1


def _length(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not equals or not number.strip().isdecimal() or int(number) < 1:
        raise UsageError(Problem(f"--length {text} is not a length", hint="write SOURCE=N, such as draw=650"))
    return name.strip(), int(number)


def _as_json(plan: TrainingPlan, days: float | None) -> dict[str, Any]:
    gpu, request = plan.request.gpu, plan.request
    return {
        "recipe": plan.recipe,
        "gpu": {"name": gpu.name, "tflops": gpu.tflops, "memory": gpu.memory, "node": gpu.node},
        "gpus": request.gpus,
        "mfu": request.mfu,
        "memory_for_training": plan.available,
        "fits": plan.fits,
        "stages": [_stage_as_json(stage, plan.available) for stage in plan.stages],
        "positions": plan.positions.as_dict(),
        "flops": plan.flops,
        "days": plan.days,
        "gpu_hours": plan.gpu_hours,
        **({} if days is None else {"mfu_of_days": {"days": days, "mfu": plan.mfu_of(days)}}),
        "samples": {
            name: {
                "text_tokens": sample.text,
                "predicted_text_tokens": sample.predicted,
                "pictures": dict(sample.pictures),
                "basis": sample.basis,
            }
            for name, sample in plan.samples.items()
        },
    }


def _stage_as_json(stage: StagePlan, available: int) -> dict[str, Any]:
    data: dict[str, Any] = {"name": stage.name, "steps": stage.steps, "samples_per_step": stage.samples}
    if stage.problem:
        data["problem"] = stage.problem
    if stage.work is None:
        return data
    samples = {name: round(count * stage.steps) for name, count in stage.work.samples.items()}
    data |= {
        "tokens_per_step": stage.tokens,
        "flops_per_step": stage.flops,
        "samples": stage.steps * stage.samples,
        "samples_by_source": samples,
        "positions": stage.work.positions.times(stage.steps).as_dict(),
        "flops": stage.steps * stage.flops,
        "trained_parameters": stage.trained,
        "seconds_per_step": stage.seconds,
        "tokens_per_second": stage.tokens / stage.seconds,
        "days": stage.days,
    }
    if stage.execution is not None:
        data |= _execution_as_json(stage.execution)
    if stage.traffic is not None:
        data["sent_per_step"] = {
            "weights_gathered": stage.traffic.gathered,
            "gradients_scattered": stage.traffic.scattered,
            "gradients_reduced": stage.traffic.reduced,
            "seconds": stage.traffic.seconds,
        }
    return data | ({} if stage.memory is None else _memory_as_json(stage, stage.memory, available))


def _memory_as_json(stage: StagePlan, memory: Memory, available: int) -> dict[str, Any]:
    return {
        "memory": {**memory.as_dict(), "total": memory.total},
        "fits": memory.total <= available,
        "would_fit": [
            {
                "set": list(other.changes),
                **_execution_as_json(other),
                "total": total.total,
                "fits": total.total <= available,
            }
            for other, total in stage.alternatives
        ],
    }


def _execution_as_json(execution: Execution) -> dict[str, Any]:
    checkpointing = execution.checkpointing
    return {
        "parallel": execution.parallel,
        "shards": execution.shards,
        "micro_batch": execution.micro_batch,
        "checkpointing": list(checkpointing) if isinstance(checkpointing, tuple) else checkpointing,
    }


def _show(plan: TrainingPlan, days: float | None, out: Console) -> None:
    from rich.text import Text

    from ..units import size

    request, gpu = plan.request, plan.request.gpu
    out.print(
        Text.assemble(
            (plan.recipe, "bold"),
            f" on {request.gpus} × {gpu.name}, {gpu.tflops:g} TFLOP/s and {size(gpu.memory)} each, "
            f"of which {size(plan.available)} are available",
        )
    )
    planned = [stage for stage in plan.stages if stage.work is not None]
    if in_memory := [stage for stage in planned if stage.memory is not None]:
        _show_memory(in_memory, plan.available, out)
    if planned:
        _show_work(plan, planned, out)
        _show_time(planned, out)
    for stage in plan.stages:
        if stage.problem:
            out.print(Text.assemble((stage.name, "cyan"), (f": {stage.problem}", "yellow")))
        elif stage.alternatives:
            _show_alternatives(stage, plan.available, out)
    if planned:
        out.print(
            Text.assemble(
                (f"{plan.days:.1f} days", "bold"), f", {plan.gpu_hours:,.0f} GPU-hours at an MFU of {request.mfu:.0%}"
            )
        )
    if days is not None and planned:
        out.print(f"{days:g} days would be an MFU of {plan.mfu_of(days):.1%}")
    samples = "; ".join(f"{name} {_sample(sample)}" for name, sample in plan.samples.items())
    out.print(f"Samples: {samples}", style="dim", soft_wrap=True)


def _sample(sample: Sample) -> str:
    pictures = ", ".join(f"{count:g} × {name}" for name, count in sample.pictures.items())
    return (
        f"{sample.text:.0f} tokens of text{' and ' + pictures if pictures else ''} ({sample.basis.partition(',')[0]})"
    )


def _show_memory(stages: list[StagePlan], available: int, out: Console) -> None:
    from rich.text import Text

    from ..units import size

    rows = table("Per GPU", *[stage.name for stage in stages], title="Memory")
    for column in rows.columns[1:]:
        column.justify = "right"
    kinds = [stage.memory.as_dict() for stage in stages if stage.memory is not None]
    for kind in kinds[0]:
        rows.add_row(_KINDS[kind], *[size(of[kind]) for of in kinds])
    totals = [sum(of.values()) for of in kinds]
    rows.add_row(
        Text("total", style="bold"),
        *[Text(size(total), style="bold green" if total <= available else "bold red") for total in totals],
    )
    executions = [stage.execution for stage in stages if stage.execution is not None]
    rows.add_row("sharded over", *[f"{one.shards} GPUs" if one.shards > 1 else "–" for one in executions])
    rows.add_row("micro-batch", *[f"{one.micro_batch} samples" for one in executions])
    shown: dict[object, str] = {True: "all blocks", False: "–"}
    rows.add_row("recomputed", *[shown.get(one.checkpointing, "some blocks") for one in executions])
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


def _show_work(plan: TrainingPlan, stages: list[StagePlan], out: Console) -> None:
    from ..units import count, work

    rows = table("Stage", "Samples", "Text", "Looked at", "Drawn", "FLOP/step", "FLOP", title="Work")
    rows.columns[0].no_wrap = True
    for column in rows.columns[1:]:
        column.justify = "right"

    def add(name: str, samples: int, positions: Positions, per_step: str, flops: float, style: str | None) -> None:
        numbers = (positions.text, positions.looked_at, positions.drawn)
        shown = [count(round(number)) if number else "–" for number in numbers]
        rows.add_row(name, count(samples), *shown, per_step, work(round(flops)), style=style)

    for stage in stages:
        if stage.work is not None:
            positions, flops = stage.work.positions.times(stage.steps), stage.steps * stage.flops
            add(stage.name, stage.steps * stage.samples, positions, work(round(stage.flops)), flops, None)
    total = sum(stage.steps * stage.samples for stage in stages)
    add("total", total, plan.positions, "", plan.flops, "bold")
    out.print(rows)


def _show_time(stages: list[StagePlan], out: Console) -> None:
    from ..units import count, duration, size

    rows = table("Stage", "Steps", "Tokens/step", "Tokens/s", "Step", "Sent/step", "Days", title="Time")
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
            count(stage.tokens) if stage.tokens else "–",
            count(round(stage.tokens / stage.seconds)) if stage.tokens else "–",
            duration(stage.seconds) if stage.seconds >= 10 else f"{stage.seconds:.2f} s",
            f"{size(sent)}, {stage.traffic.seconds:.2f} s" if sent else "–",
            f"{stage.days:.2f}",
        )
    out.print(rows)


def _show_alternatives(stage: StagePlan, available: int, out: Console) -> None:
    from rich.text import Text

    from ..units import size

    assert stage.memory is not None
    fits = stage.alternatives[0][1].total <= available
    message = f" does not fit: it needs {size(stage.memory.total)} of {size(available)}. "
    message += "These settings fit:" if fits else "The least that it can need:"
    out.print(Text.assemble((stage.name, "cyan"), (message, "red")))
    for execution, memory in stage.alternatives:
        changes = " ".join(f"--set '{change}'" for change in execution.changes)
        out.print(Text.assemble("  ", (changes, "bold"), f"  {size(memory.total)}"), soft_wrap=True)
    if not fits:
        out.print("  This does not fit either: use GPUs with more memory, or more GPUs.")
