"""The requests of a benchmark that a model can serve, and the rounds in which they are answered.

Only a few facts of each request are kept; the request itself, with its pictures, is taken from the benchmark's sequence
whenever it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from ..contracts import Request
from ..errors import ComponentError, UsageError
from ..inference.memory import MOST
from ..sequence.conversation import Look, Turn

if TYPE_CHECKING:
    from ..inference.api import Model
    from ..sequence.conversation import Content

_PICTURE = 1 << 16
"""Characters that a picture counts for where prompts are sorted by length: more than a question has."""


@frozen
class Entry:
    """What is kept of a request: its ``number`` among those that are served, and its ``index`` among all.

    ``length``: a measure of its prompt's length. ``settings``: a key for those that share a call.
    """

    number: int
    index: int
    item: str
    cluster: str
    draws: bool
    referenced: bool
    length: int
    settings: str


@frozen
class Round:
    """Requests of one call: all draw, or all ask, with the same settings."""

    draws: bool
    entries: tuple[Entry, ...]

    @property
    def shares(self) -> bool:
        """Whether several requests are of one cluster, and probably about the same picture."""
        return len({entry.cluster for entry in self.entries}) < len(self.entries)


class ServedRequests:
    """The requests that a model has a pathway for. ``left_out``: how many of the others, and why.

    Raises ``UsageError`` where it can serve none.
    """

    def __init__(self, model: Model, requests: Sequence[Request]) -> None:
        self._requests = requests
        pathways = model.model.plan.pathways
        self._looking = [name for name, shape in pathways.items() if shape.mode == "look"]
        modes = {shape.mode for shape in pathways.values()}
        self._sources = model.model.processor.draws_from
        self.entries: list[Entry] = []
        missing: dict[str, int] = {}
        for index, request in enumerate(requests):
            draws, looks = request.draws and "draw" not in modes, _looks(request) > 0 and "look" not in modes
            edits = request.draws and _looks(request) > 0 and not self._sources
            for lacks, why in (
                (draws, "no pathway draws"),
                (looks, "no pathway looks"),
                (edits and not draws and not looks, "the model does not draw from pictures"),
            ):
                if lacks:
                    missing[why] = missing.get(why, 0) + 1
            if not draws and not looks and not edits:
                self.entries.append(_entry(len(self.entries), index, request))
        self.left_out = ", ".join(
            f"{count} of {len(requests)} requests, since {why}" for why, count in missing.items() if count
        )
        if not self.entries:
            raise UsageError(
                f"the model '{model.name}' cannot serve any request of the benchmark: it leaves out {self.left_out}"
            )

    def own(self, entry: Entry) -> Request:
        """The request as the benchmark made it. Raises ``ComponentError`` where the benchmark gives another one now."""
        request = self._requests[entry.index]
        if request.item != entry.item:
            raise ComponentError(
                f"the benchmark's requests change: number {entry.index} was '{entry.item}' and is '{request.item}' now"
            )
        return request

    def aimed(self, entry: Entry) -> Request:
        """The request with every picture in a pathway of the model: the first that looks, where it names another.

        A picture that another is drawn from is in the first pathway that the layout names for those.
        """
        pathways = self._sources if entry.draws else self._looking

        def aim(piece: Content) -> Content:
            if isinstance(piece, Look) and piece.pathway not in pathways:
                return evolve(piece, pathway=pathways[0])
            return piece

        return with_pieces(self.own(entry), aim)

    def groups(self, draws: bool) -> list[list[Entry]]:
        """The requests that draw, or those that ask, by their settings."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.draws == draws:
                groups.setdefault(entry.settings, []).append(entry)
        return list(groups.values())

    def rounds(self, processes: int) -> list[Round]:
        """All requests, drawings first, in rounds of as many as are computed together.

        Questions are sorted by length, and those of a cluster stay together, so that its pictures are encoded once and
        by one process. The rounds depend on the requests alone, unless there are too few for all processes.
        """
        rounds = []
        for draws in (True, False):
            for group in self.groups(draws):
                most = min(MOST, ceil(len(group) / processes))
                rounds += [Round(draws, part) for part in _parts(_clusters(group), most, sort=not draws)]
        return rounds

    def referenced(self, most: int) -> list[Round]:
        """Requests with a reference, in rounds of ``most`` in their own order."""
        rounds = []
        for draws in (True, False):
            chosen = [entry for entry in self.entries if entry.referenced and entry.draws == draws]
            rounds += [Round(draws, tuple(chosen[start : start + most])) for start in range(0, len(chosen), most)]
        return rounds


def with_pieces(request: Request, change: Callable[[Content], Content]) -> Request:
    """The request with its pieces of content changed; the same one where it has no picture to look at."""
    if not _looks(request):
        return request
    turns = [Turn(turn.role, map(change, turn.content)) for turn in request.conversation.turns]
    return evolve(request, conversation=evolve(request.conversation, turns=turns))


def _clusters(entries: Sequence[Entry]) -> list[list[Entry]]:
    clusters: dict[str, list[Entry]] = {}
    for entry in entries:
        clusters.setdefault(entry.cluster, []).append(entry)
    return list(clusters.values())


def _parts(clusters: list[list[Entry]], most: int, *, sort: bool) -> Iterator[tuple[Entry, ...]]:
    """Up to ``most`` requests each; a cluster is divided only where it has more than that."""
    if sort:
        clusters = [sorted(cluster, key=lambda entry: entry.length) for cluster in clusters]
        clusters.sort(key=lambda cluster: cluster[-1].length)
    part: list[Entry] = []
    for cluster in clusters:
        if part and len(part) + len(cluster) > most:
            yield tuple(part)
            part = []
        part += cluster
        while len(part) > most:
            yield tuple(part[:most])
            part = part[most:]
    if part:
        yield tuple(part)


def _entry(number: int, index: int, request: Request) -> Entry:
    texts = [turn.text for turn in request.conversation.turns]
    return Entry(
        number=number,
        index=index,
        item=request.item,
        cluster=request.cluster,
        draws=request.draws,
        referenced=request.reference is not None,
        length=sum(map(len, texts)) + len(request.conversation.system or "") + _PICTURE * _looks(request),
        settings=_key(request),
    )


def _key(request: Request) -> str:
    settings: list[tuple[str, Any]] = sorted(request.settings.items())
    return repr((bool(request.choices), request.think, settings))


def _looks(request: Request) -> int:
    return sum(isinstance(piece, Look) for turn in request.conversation.turns for piece in turn.content)
