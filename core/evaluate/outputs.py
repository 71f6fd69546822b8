"""Outputs of a model for rounds of requests: drawings and answers, computed or taken from a store."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from ..contracts import OnStep, Request
from ..inference.generate.sampler import sampler_use
from ..inference.generate.shared_pictures import FeatureCache
from ..pictures.provenance import save_picture
from ..pictures.read import as_picture
from ..sequence.conversation import Look
from .digests import PictureDigests, request_digest
from .losses import most_likely
from .requests import Entry, Round, ServedRequests, with_pieces
from .store import OutputStore, StoredOutput

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..sequence.conversation import Content, Picture

    Output = str | Image


class OutputMaker:
    """Computes the outputs of rounds, and keeps them in a store where there is one.

    ``folder`` is where drawings are written beside the store. ``lasts``: the store is kept, so that items may name its
    files.
    """

    def __init__(
        self,
        model: Model,
        served: ServedRequests,
        store: OutputStore | None = None,
        folder: Path | None = None,
        *,
        lasts: bool = True,
    ) -> None:
        self.model = model
        self.served = served
        self.store = store
        self.lasts = lasts
        inside = store is not None and folder is not None and folder.resolve() == store.pictures.resolve()
        self.folder = None if inside else folder
        self.features = FeatureCache()
        self._digests = PictureDigests()

    def digest(self, request: Request, *, forced: bool = False) -> str:
        """The digest of what the output of a request for the model depends on, or of what its held-out loss does."""
        settings = self.model.drawing_settings(**request.settings) if request.draws else request.settings
        return request_digest(request, settings, self._digests, forced=forced)

    def compute(self, part: Round, on_step: OnStep) -> dict[str, Output]:
        """The outputs of a round that are not stored yet, by item; they are stored."""
        entries = [entry for entry in part.entries if self.store is None or entry.item not in self.store.outputs]
        if not entries:
            return {}
        began = time.perf_counter()
        requests = [self.served.aimed(entry) for entry in entries]
        with self.sharing(part):
            made: Sequence[Output] = (self._drawn if part.draws else self._answered)(
                self.transformed(part, requests), on_step
            )
        if self.store is not None:
            seconds = round((time.perf_counter() - began) / len(entries), 4)
            store, each = self.store, zip(entries, requests, made, strict=True)
            store.add_outputs(self._stored(store, *some, seconds) for some in each)
        return {entry.item: output for entry, output in zip(entries, made, strict=True)}

    def output(self, entry: Entry, computed: dict[str, Output]) -> Output:
        """The output of a request, from what was computed or else from the store."""
        if entry.item in computed or self.store is None:
            return computed[entry.item]
        return self.store.load(entry.item)

    def write(self, part: Round, computed: dict[str, Output]) -> dict[str, str]:
        """Write the drawings of a round; return their paths by item, relative to the folder that holds theirs."""
        files: dict[str, str] = {}
        for entry in part.entries if part.draws else ():
            stored = None if self.store is None else self.store.outputs[entry.item]
            if self.folder is None:
                if stored is not None and self.lasts:
                    files[entry.item] = stored.file
                continue
            path = self.folder / file_name(entry)
            output = computed.get(entry.item)
            if output is not None and not isinstance(output, str):
                save_picture(output, path)
            elif stored is not None and self.store is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.store.picture_file(stored), path)
            files[entry.item] = path.relative_to(self.folder.parent).as_posix()
        return files

    def _stored(
        self, store: OutputStore, entry: Entry, request: Request, output: Output, seconds: float
    ) -> StoredOutput:
        digest = self.digest(request)
        if isinstance(output, str):
            return StoredOutput(entry.item, digest, output, seconds=seconds)
        path = save_picture(output, store.pictures / file_name(entry))
        return StoredOutput(entry.item, digest, file=path.relative_to(store.folder).as_posix(), seconds=seconds)

    def _drawn(self, requests: Sequence[Request], on_step: OnStep) -> Sequence[Output]:
        prompts = [request.conversation for request in requests]
        seeds = [request.seed for request in requests]
        first = requests[0]
        return self.model.generate(prompts, seed=seeds, think=first.think, on_step=on_step, **first.settings)

    def _answered(self, requests: Sequence[Request], on_step: OnStep) -> Sequence[Output]:
        if requests[0].choices:
            return most_likely(self.model, requests, on_step)
        seeds = [request.seed for request in requests]
        conversations = [request.conversation for request in requests]
        return self.model.reply_all(conversations, seed=seeds, on_step=on_step, **requests[0].settings)

    def transformed(self, part: Round, requests: Sequence[Request]) -> Sequence[Request]:
        """Requests of a round with the pictures of clusters transformed for the model, equal ones once."""
        if not part.shares:
            return requests
        transform = self._transform()
        return [with_pieces(request, transform) for request in requests]

    def sharing(self, part: Round) -> AbstractContextManager[None]:
        """A context in which what the questions of a cluster share is computed once."""
        return self.model.model.sharing(self.features) if part.shares and not part.draws else nullcontext()

    @property
    def codes(self) -> int:
        """The number of codes of a drawing, or of steps where pictures are drawn as wholes or scale by scale."""
        plan, pathway = self.model.model.plan, self.model.pathway("draw")
        shape = plan.pathways[pathway]
        if shape.process is not None:
            return int(sampler_use(plan, pathway).config.steps)
        return len(shape.scales) or shape.tokens

    def _transform(self) -> Callable[[Content], Content]:
        """A function that transforms the pictures of a round for the model, equal ones once."""
        processor = self.model.model.processor
        pixels: dict[tuple[str, str], Picture] = {}

        def transformed(piece: Content) -> Content:
            if not isinstance(piece, Look) or processor.tiled(piece.pathway):
                return piece
            key = piece.pathway, self._digests.of(piece.picture)
            if key not in pixels:
                encoded = getattr(piece.picture, "ndim", 3) == 2 or hasattr(piece.picture, "device")
                picture = piece.picture if encoded else as_picture(piece.picture)
                pixels[key] = processor.pixels(picture, piece.pathway)
            return evolve(piece, picture=pixels[key])

        return transformed


def file_name(entry: Entry) -> str:
    """A name that is valid in any file system, and unique by its number."""
    return f"{entry.number:06d}-{re.sub(r'[^A-Za-z0-9_]+', '-', entry.item)[:80].strip('-')}.png"
