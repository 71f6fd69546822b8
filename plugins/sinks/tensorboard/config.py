"""Settings of the sink `tensorboard`."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class TensorBoardConfig:
    """Where the event files lie."""

    folder: str = field(
        default="tensorboard", metadata={"help": "for the event files; a relative one is in the run's folder"}
    )
