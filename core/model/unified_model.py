"""A unified model: the modules of a plan under their paths, connected into one sequence model.

B rows    T positions    n pictures    N tokens of a picture    d depth of a code    H hidden width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ..contracts import Backbone
from ..errors import CompositionError, JaniformError, Problem
from ..seeds import derived_seed
from ..sequence.batch import Batch, Pictures
from ..sequence.cache import Cache
from ..sequence.corruption import Corrupted, normal, seed_list
from ..sequence.mask import Mask
from ..sequence.routes import Routes
from .modules import lend
from .processor import Processor

if TYPE_CHECKING:
    from ..attention.attend import Attention
    from ..compose import Plan
    from ..inference.generate.engine import Engine
    from ..inference.generate.shared_pictures import FeatureCache


class Parts(nn.Module):
    """The parts of one pathway by name; shared parts can be read here and are registered at their owner."""

    def refer(self, name: str, module: nn.Module) -> None:
        """Make another pathway's part readable under ``name`` without registering its weights twice."""
        object.__setattr__(self, name, module)


class UnifiedModel(nn.Module):
    """The modules of a plan, connected.

    A part has the path that it has in the recipe: ``model.generation.adapter``; its weights have that prefix in the
    state dict. ``modules_by_path`` holds the modules of owners; parts may be left out, and all others work.
    ``attention`` is the kernel that the masks of its batches carry, ``engine`` runs the backbone while it generates;
    None is the default one of each. ``features`` are those of pictures that several prompts share; None keeps none.
    """

    backbone: nn.Module
    plan: Plan
    attention: Attention | None = None
    engine: Engine | None = None
    features: FeatureCache | None = None

    def __init__(
        self, plan: Plan, modules_by_path: Mapping[str, nn.Module], processor: Processor | None = None
    ) -> None:
        super().__init__()
        self.plan = plan
        self.unchecked: dict[str, Callable[[], None]] = {}
        """By path, what checks the weights of a part before its first use, where they are still in their files."""
        self._processor = processor
        for path, module in modules_by_path.items():
            self._place(path, module)
        for path, part in plan.parts.items():
            if part.owner is not None and part.owner in modules_by_path:
                first, _, name = path.partition(".")
                self._pathway(first).refer(name, modules_by_path[part.owner])
        lend(plan, modules_by_path)

    @property
    def processor(self) -> Processor:
        """The processor that turns conversations into batches for this model."""
        if self._processor is None:
            self._processor = Processor(self.plan)
        return self._processor

    @processor.setter
    def processor(self, processor: Processor) -> None:
        self._processor = processor

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @contextmanager
    def attending(self, attention: Attention | None) -> Iterator[None]:
        """Use another attention kernel within the context, such as that of a training stage."""
        before, self.attention = self.attention, attention
        try:
            yield
        finally:
            self.attention = before

    @contextmanager
    def sharing(self, features: FeatureCache | None) -> Iterator[None]:
        """Within the context, compute what several prompts share, such as the features of a picture, once.

        The weights must not change while ``features`` is in use.
        """
        before, self.features = self.features, features
        try:
            yield
        finally:
            self.features = before

    def part(self, path: str) -> nn.Module:
        """The module at a path, or its owner's where it is shared.

        Raises ``JaniformError`` where it was not built, and ``StorageError`` where its weights are found to be invalid.
        """
        try:
            owner = self.plan.owner(path)
            module = self.get_submodule(owner)
        except (KeyError, AttributeError):
            raise JaniformError(f"this model was built without the part '{path}'") from None
        if owner in self.unchecked:
            self.unchecked[owner]()
            self.unchecked.pop(owner, None)
        return module

    def built_parts(self) -> dict[str, nn.Module]:
        """The modules that were built, by the paths of their owners."""
        owners = dict.fromkeys(self.plan.owner(path) for path in self.plan.parts)
        modules: dict[str, nn.Module] = {}
        for path in owners:
            with suppress(AttributeError):  # a part without weights, or one that was left out
                modules[path] = self.get_submodule(path)
        return modules

    def drawn(self, pictures: Pictures, pathway: str) -> Tensor:
        """The codes [n, N, d] or latents [n, N, C] of pictures, computed without gradients.

        Latents are samples of the tokenizer's posterior where its config says ``sampled`` and the pictures have seeds,
        as in training; else they are its mode.
        """
        if pictures.drawn is not None:
            return pictures.drawn
        tokenizer: Any = self.part(f"{pathway}.tokenizer")
        pixels = _as_weights(pictures.pixels, tokenizer)
        with torch.no_grad():
            noise = self._posterior_noise(pictures, pathway)
            return cast(Tensor, tokenizer.encode(pixels) if noise is None else tokenizer.encode(pixels, noise))

    def embed_drawn(self, drawn: Tensor, pathway: str, first: int = 0, corrupted: Corrupted | None = None) -> Tensor:
        """Codes [n, N, d] or latents [n, N, C] to embeddings [n, lead + N, H]; see ``Embedding``."""
        embedding = self.part(f"{pathway}.embedding")
        vectors = embedding(drawn, first) if corrupted is None else embedding(drawn, first, corrupted)
        return cast(Tensor, self.part(f"{pathway}.adapter")(vectors))

    def embed_pictures(self, pictures: Pictures, pathway: str, drawn: Tensor | None = None) -> Tensor:
        """The vectors [n, N', H] of pictures, from their pixels, or from codes [n, N, d] or latents [n, N, C].

        Pictures that are corrupted are embedded so.
        """
        shape = self.plan.pathways[pathway]
        if shape.drawn is None:
            encoder = self.part(f"{pathway}.encoder")
            return cast(Tensor, self.part(f"{pathway}.adapter")(encoder(_as_weights(pictures.pixels, encoder))))
        drawn = self.drawn(pictures, pathway) if drawn is None else drawn
        if pictures.corrupted is None or shape.process is None:
            return self.embed_drawn(drawn, pathway)
        return self.embed_drawn(shape.process.read(drawn, pictures.corrupted), pathway, 0, pictures.corrupted)

    def _posterior_noise(self, pictures: Pictures, pathway: str) -> Tensor | None:
        latents, corrupted = self.plan.pathways[pathway].latents, pictures.corrupted
        config = self.plan.parts[self.plan.owner(f"{pathway}.tokenizer")].use.config
        if latents is None or corrupted is None or corrupted.seeds is None or not getattr(config, "sampled", False):
            return None
        # Another purpose than the noise that the picture is drawn from, which has the seed itself.
        seeds = [derived_seed("posterior", seed) for seed in seed_list(corrupted.seeds)]
        return normal(seeds, (latents.tokens, latents.width), self.device)

    def embed(
        self,
        batch: Batch,
        drawn: Mapping[str, Tensor] | None = None,
        features: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Embeddings [B, T, H]: those of text, with every picture's vectors at its positions.

        ``drawn`` and ``features``: codes or latents, or the vectors themselves, by pathway, where they were computed
        before.
        """
        backbone = cast(Backbone, self.part("backbone"))
        serves = self.plan.hidden.full_blocks and getattr(type(backbone), "full_blocks", True)
        # A batch that is traced has no values to look at.
        if not serves and type(batch.blocks) is Tensor and batch.mask().has_blocks:
            raise JaniformError(
                "the backbone does not support full blocks, in which positions of a picture see one another: use a "
                "layout whose spans are causal, or another backbone"
            )
        embeddings = backbone.embed(batch.ids)
        if not batch.pictures:
            return embeddings
        positions, vectors = [], []
        for name, pictures in batch.pictures.items():
            if features is not None and name in features:
                embedded = features[name]
            else:
                embedded = self.embed_pictures(pictures, name, None if drawn is None else drawn.get(name))
            positions.append(pictures.positions.flatten())
            vectors.append(embedded.flatten(0, 1).to(embeddings.dtype))
        flat = embeddings.flatten(0, 1).index_copy(0, torch.cat(positions), torch.cat(vectors))
        return flat.view_as(embeddings)

    def hidden(
        self,
        batch: Batch,
        cache: Cache | None = None,
        mask: Mask | None = None,
        drawn: Mapping[str, Tensor] | None = None,
        features: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Hidden states [B, T, H] after the backbone's final norm.

        With a cache, the batch follows what is in it, and ``mask`` declares the positions of both.
        """
        if mask is None:
            mask = batch.mask(self.attention)
        return self.run(self.embed(batch, drawn, features), batch.positions, mask, cache, batch.routes)

    def run(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Mask,
        cache: Cache | None = None,
        routes: Routes | None = None,
    ) -> Tensor:
        """The backbone's hidden states [B, T, H] of embeddings [B, T, H]; see ``Backbone``."""
        backbone = self.part("backbone")
        if self.plan.hidden.routes:
            return cast(Tensor, backbone(embeddings, positions, mask, cache, routes=routes))
        return cast(Tensor, backbone(embeddings, positions, mask, cache))

    def _place(self, path: str, module: nn.Module) -> None:
        first, _, name = path.partition(".")
        if name:
            self._pathway(first).add_module(name, module)
        else:
            self.add_module(first, module)

    def _pathway(self, name: str) -> Parts:
        if name not in self._modules:
            if hasattr(self, name):
                raise CompositionError(
                    Problem("a pathway cannot have this name, which is an attribute of the model", name)
                )
            self.add_module(name, Parts())
        return cast(Parts, self._modules[name])


def _as_weights(pixels: Tensor | None, module: nn.Module) -> Tensor:
    """Pixels [n, 3, h, w] in the data type of a part's weights."""
    dtype = next((weight.dtype for weight in module.parameters() if weight.is_floating_point()), None)
    return cast(Tensor, pixels).to(dtype)
