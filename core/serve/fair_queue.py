"""The requests that wait for a model, in a queue that is fair between users. Torch-free."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class QueueFullError(Exception):
    """No place is free for one more request of this user."""


class Waiting(Protocol):
    """What waits: a request of a user, which is served in one or several parts once they are known.

    ``parts``: how many; 0 while it is prepared. ``taken``: how many of them were taken from the queue.
    """

    user: str
    taken: int

    @property
    def parts(self) -> int: ...


W = TypeVar("W", bound=Waiting)


class FairQueue(Generic[W]):
    """Gives the parts of what waits to one user after the other, and each user's in order of arrival.

    At most ``limit`` requests wait, of which no part was taken. In a full queue a user with fewer waiting requests than
    another gets the place of the latest request of the user with the most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._users: OrderedDict[str, deque[W]] = OrderedDict()

    def join(self, item: W) -> W | None:
        """Add a request; returns the one that lost its place to it, if any. Raises ``QueueFullError``."""
        displaced = self._displaced(item.user) if self.waiting >= self.limit else None
        if displaced is not None:
            self.remove(displaced)
        self._users.setdefault(item.user, deque()).append(item)
        return displaced

    def remove(self, item: W) -> None:
        """Remove a request with all its parts, if it is there."""
        items = self._users.get(item.user)
        if items is not None and item in items:
            items.remove(item)
            if not items:
                del self._users[item.user]

    def take(self) -> tuple[W, int] | None:
        """The next request and the number of its part that is served now; None where nothing is ready."""
        for user, items in self._users.items():
            item = next((item for item in items if item.taken < item.parts), None)
            if item is None:
                continue
            part = item.taken
            item.taken += 1
            self._users.move_to_end(user)
            if item.taken == item.parts:
                self.remove(item)
            return item, part
        return None

    def __iter__(self) -> Iterator[W]:
        return (item for items in self._users.values() for item in items)

    @property
    def ready(self) -> bool:
        """Whether ``take`` has something to give."""
        return any(item.taken < item.parts for item in self)

    @property
    def waiting(self) -> int:
        """The number of requests of which no part was taken."""
        return sum(not item.taken for item in self)

    def _displaced(self, user: str) -> W:
        waiting = {name: sum(not item.taken for item in items) for name, items in self._users.items()}
        most = max(waiting, key=waiting.__getitem__, default="")
        if not waiting or waiting[most] <= waiting.get(user, 0) + 1:
            raise QueueFullError
        return next(item for item in reversed(self._users[most]) if not item.taken)
