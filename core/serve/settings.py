"""Settings of a server: its limits and its patience. Torch-free."""

from __future__ import annotations

from attrs import frozen

MIB = 1 << 20


@frozen
class ServerSettings:
    """Limits of a server; seconds, bytes and counts."""

    api_keys: tuple[str, ...] = ()
    """Keys of which a request must send one; with none, all requests are served."""
    loopback: bool = True
    """Whether the server listens on a loopback address only."""
    queue: int = 64
    """Most requests that wait for a model."""
    deadline: float = 600.0
    """Seconds from the arrival of a request to its last byte."""
    body: int = 32 * MIB
    """Most bytes of a request."""
    bodies: int = 256 * MIB
    """Most bytes of all requests that are held at once."""
    receive: float = 60.0
    """Seconds in which a request must arrive."""
    head: float = 10.0
    """Seconds in which the head of a request must arrive on an open connection."""
    send: float = 30.0
    """Seconds after which a client that does not read its response is disconnected."""
    grace: float = 60.0
    """Seconds that running requests have to end after SIGTERM."""
    in_flight: int = 1024
    """Most requests that are read, waiting or answered at once."""
    pictures: int = 16
    """Most pictures of a request."""
    pixels: int = 32_000_000
    """Most pixels of all pictures of a request together."""
    choices: int = 16
    """Largest ``n``."""
    json_depth: int = 32
    """Most levels of nested arrays and objects."""
    json_structure: int = MIB // 4
    """Most bytes of JSON outside of its texts."""
