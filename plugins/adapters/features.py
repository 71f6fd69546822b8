"""What every adapter asks of its source before it looks at anything else."""

from __future__ import annotations

from janiform import Features, PortMismatch


def check_features(adapter: str, source: object) -> None:
    """Raises ``PortMismatch`` where an adapter is given something else than features of a positive width."""
    if not isinstance(source, Features):
        raise PortMismatch(
            f"adapter '{adapter}' maps features [B, N, width], but is given {source}: put an embedding between"
        )
    if source.width < 1:
        raise PortMismatch(f"adapter '{adapter}' maps features of a positive width, but is given {source}")
