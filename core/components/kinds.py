"""The kinds of components: one table of everything that defines a kind. Plugins add components, not kinds.

A recipe, composition, factories, diagrams, the conformance tests and `janiform new-plugin` all read this table, so a
new kind is a new row here and its contract in ``janiform.contracts``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from attrs import field, frozen

from ..ports import Codes, Features, Hidden, Latents, Logits, PlaceValues, Port, Values

Mode = Literal["look", "draw"]
"""What a pathway does: it reads pictures, or draws them."""

VERBS: dict[Mode, str] = {"look": "looks", "draw": "draws"}

Route = Literal["features", "codes", "draw"]
"""How a pathway processes a picture: it looks through an encoder's features or a tokenizer's codes, or draws codes."""

INPUTS: dict[str, tuple[type[Port], ...]] = {
    "drawn": (Codes, Latents),
    "source": (Features,),
    "hidden": (Hidden,),
    "predicted": (Logits, Values, PlaceValues),
}
"""The ports that a part can take, by the argument's name; each comes from the nearest part before it that gives it."""


@frozen(kw_only=True)
class ComponentKind:
    """A kind of component. What does not apply to a kind has its default."""

    name: str
    summary: str
    config_contract: str = ""
    """Protocol in ``janiform.contracts`` that its config classes follow."""
    module_contract: str
    """Protocol in ``janiform.contracts`` that whatever its factories make follows."""
    port_contracts: Mapping[type[Port] | str, str] = field(factory=dict, hash=False)
    """The protocol instead for modules whose port is of these types, or are values ``of`` this."""
    declares: tuple[str, ...] = ()
    """Attributes that every config class must have beside its fields and the port method."""

    place: Literal["pathway", "top", "section", "stage", ""] = ""
    """Where a recipe names it: in a pathway, in a table at the top, in a section (``[source.NAME]``), in a stage."""
    routes: tuple[Route, ...] = ()
    """Pathways that have a slot for it, by their routes."""
    optional: bool = False
    """Whether a recipe is complete without it."""
    default: str = ""
    """The component that is used where a recipe names none."""

    takes: tuple[str, ...] = ()
    """What its factory takes after the config. For a kind with a port these are names in ``INPUTS``, which the port
    method takes as well; data flows in through the first one, and the others tell sizes."""
    port_methods: tuple[str, ...] = ()
    """The config's method that declares the port: the first of these that it has. Several give ports of one type each.
    """
    gives: tuple[type[Port], ...] = ()
    """The types that the port can have."""
    weights: bool = False
    """Whether it is a part of the model with weights: a ``torch.nn.Module``."""
    borrows: bool = False
    """Whether it may work with the backbone's matrices, see ``BorrowerConfig``."""

    row: int | None = None
    """Row of its box in a diagram, from the top."""
    colour: Literal["picture", "adapter", "backbone", "code", "text", ""] = ""
    """Colour of its box in a diagram."""
    checks: tuple[str, ...] = ()
    """Its own conformance tests in ``janiform.testing.kinds``, beside those of every kind with weights."""
    port_checks: Mapping[str, tuple[str, ...]] = field(factory=dict, hash=False)
    """Further ones by the config's port method, of a kind whose ports of several types differ in what is tested."""

    @property
    def required_attributes(self) -> tuple[str, ...]:
        """The attributes that every config class must have beside its fields."""
        only = self.port_methods if len(self.port_methods) == 1 else ()
        return (*only, *self.declares)

    def port_method(self, config: object) -> str:
        """The method of a config that declares its port, or the first of those that it should have one of."""
        return next((name for name in self.port_methods if hasattr(config, name)), self.port_methods[0])

    def checks_of(self, config: object) -> tuple[str, ...]:
        """The names of its own conformance tests that apply to a config, or to a class of configs."""
        return (*self.checks, *(self.port_checks.get(self.port_method(config), ()) if self.port_checks else ()))

    @property
    def all_checks(self) -> tuple[str, ...]:
        """The names of all its own conformance tests."""
        return (*self.checks, *(check for checks in self.port_checks.values() for check in checks))


KINDS = {
    kind.name: kind
    for kind in (
        ComponentKind(
            name="tiling",
            summary="cuts a large picture into several that are looked at",
            config_contract="TilingConfig",
            module_contract="Tiling",
            declares=("most",),
            place="pathway",
            routes=("features", "codes"),
            optional=True,
            row=1,
            colour="picture",
        ),
        ComponentKind(
            name="encoder",
            summary="pixels to features, to look at pictures",
            config_contract="EncoderConfig",
            module_contract="Encoder",
            declares=("transform",),
            place="pathway",
            routes=("features",),
            port_methods=("features",),
            gives=(Features,),
            weights=True,
            row=2,
            colour="picture",
        ),
        ComponentKind(
            name="tokenizer",
            summary="pixels to codes or latents, and back",
            config_contract="TokenizerConfig",
            module_contract="Tokenizer",
            port_contracts={Latents: "LatentTokenizer"},
            declares=("transform",),
            place="pathway",
            routes=("codes", "draw"),
            port_methods=("codes", "latents"),
            gives=(Codes, Latents),
            weights=True,
            row=2,
            colour="picture",
            checks=("gives_losses_as_sums_and_counts", "gives_the_vectors_that_it_trains"),
            port_checks={
                "codes": (
                    "encodes_codes_of_its_port",
                    "gives_vectors_of_its_width",
                    "gives_vectors_of_each_code_alone",
                    "decodes_from_its_vectors",
                    "decodes_its_first_scales",
                ),
                "latents": ("encodes_latents_of_its_port", "encodes_samples_with_noise", "decodes_what_it_encodes"),
            },
        ),
        ComponentKind(
            name="embedding",
            summary="codes or latents to vectors, as the backbone reads them",
            config_contract="EmbeddingConfig",
            module_contract="Embedding",
            place="pathway",
            routes=("codes", "draw"),
            default="table",
            takes=("drawn", "hidden"),
            port_methods=("embed",),
            gives=(Features,),
            weights=True,
            borrows=True,
            row=3,
            colour="adapter",
            checks=(
                "embeds_each_code_alone",
                "embeds_earlier_scales_only",
                "embeds_whole_pictures",
                "ignores_hidden_latents",
                "ignores_hidden_codes",
            ),
        ),
        ComponentKind(
            name="adapter",
            summary="features to the hidden width of the backbone",
            config_contract="AdapterConfig",
            module_contract="Adapter",
            place="pathway",
            routes=("features", "codes", "draw"),
            takes=("source", "hidden"),
            port_methods=("adapt",),
            gives=(Features,),
            weights=True,
            row=4,
            colour="adapter",
            checks=("maps_each_token_alone_where_one_is_accepted",),
        ),
        ComponentKind(
            name="backbone",
            summary="the language model that reads every sequence",
            config_contract="BackboneConfig",
            module_contract="Backbone",
            place="top",
            port_methods=("hidden",),
            gives=(Hidden,),
            weights=True,
            row=5,
            colour="backbone",
            checks=(
                "embeds_ids_and_gives_logits",
                "attends_to_earlier_positions_only",
                "attends_within_full_blocks",
                "keeps_packed_documents_apart",
                "continues_from_its_cache",
                "copies_its_cache",
                "continues_with_padding_on_the_left",
                "ignores_padding",
                "runs_its_blocks",
            ),
        ),
        ComponentKind(
            name="head",
            summary="hidden states to codes or latents",
            config_contract="HeadConfig",
            module_contract="Head",
            port_contracts={Values: "PictureHead", "sample": "PlaceHead", PlaceValues: "RegressionHead"},
            place="pathway",
            routes=("draw",),
            takes=("hidden", "drawn"),
            port_methods=("predict",),
            gives=(Logits, Values, PlaceValues),
            weights=True,
            borrows=True,
            row=6,
            colour="code",
            checks=(
                "gives_the_cross_entropy_of_its_logits",
                "samples_the_chosen_codes",
                "gives_the_squared_difference_of_its_values",
                "gives_the_loss_of_each_place",
                "draws_each_place_by_itself",
                "predicts_single_places",
            ),
        ),
        ComponentKind(
            name="text",
            summary="text to ids and back",
            config_contract="TextConfig",
            module_contract="TextTokenizer",
            declares=("vocabulary",),
            place="top",
            default="bpe",
            takes=("folder",),
            row=3,
            colour="text",
        ),
        ComponentKind(
            name="layout",
            summary="conversations to typed spans: a chat format",
            config_contract="LayoutConfig",
            module_contract="Layout",
            place="top",
            default="janus",
            takes=("text", "pathways"),
            row=2,
            colour="text",
        ),
        ComponentKind(
            name="sampler",
            summary="draws a picture's codes or latents with a model",
            config_contract="SamplerConfig",
            module_contract="Sampler",
            place="pathway",
            routes=("draw",),
            default="autoregressive",
            row=7,
            colour="code",
        ),
        ComponentKind(
            name="objective",
            summary="what a training stage minimises",
            config_contract="ObjectiveConfig",
            module_contract="Objective",
            place="stage",
            takes=("model",),
        ),
        ComponentKind(
            name="source",
            summary="a stream of conversations to train on",
            module_contract="Source",
            place="section",
            optional=True,
        ),
        ComponentKind(
            name="sink",
            summary="a further destination for the figures of a run",
            config_contract="SinkConfig",
            module_contract="Sink",
            place="section",
            optional=True,
            takes=("folder", "recipe"),
        ),
        ComponentKind(
            name="benchmark",
            summary="a measurement of a model",
            config_contract="BenchmarkConfig",
            module_contract="Benchmark",
        ),
        ComponentKind(
            name="kernel",
            summary="computes attention",
            config_contract="KernelConfig",
            module_contract="Kernel",
            declares=("serves", "advantage"),
        ),
        ComponentKind(
            name="format",
            summary="a layout of model directories",
            config_contract="FormatConfig",
            module_contract="Format",
            declares=("recognises",),
        ),
    )
}
"""Every kind by its name, in the order of the data."""

SINGLE_PARTS = tuple(kind.name for kind in KINDS.values() if kind.place == "top")
"""Kinds whose parts are tables at the top of a recipe."""

PATHWAY_PARTS = tuple(kind.name for kind in KINDS.values() if kind.place == "pathway")
"""Kinds of the parts of a pathway, in the order of the data."""


def argument_of(kind: ComponentKind) -> str:
    """The name of the argument by which other parts take the port that parts of a kind give."""
    return next(name for name, ports in INPUTS.items() if set(ports) & set(kind.gives))


def slots(*routes: Route) -> tuple[str, ...]:
    """The kinds that fill the slots of pathways with one of these routes, in the order of the data."""
    return tuple(kind for kind in PATHWAY_PARTS if not set(routes).isdisjoint(KINDS[kind].routes))


def slots_only(route: Route, other: Route) -> tuple[str, ...]:
    """The kinds that have a slot in pathways with one route and none in those with the other."""
    return tuple(kind for kind in slots(route) if kind not in slots(other))


def route_of(mode: Mode, kinds: Collection[str]) -> Route:
    """The route of a pathway that has parts of these kinds; with an encoder it is never through codes."""
    if mode == "draw":
        return "draw"
    has_features = not set(slots_only("features", "codes")).isdisjoint(kinds)
    has_codes = not set(slots_only("codes", "features")).isdisjoint(kinds)
    return "codes" if has_codes and not has_features else "features"


def slots_of(mode: Mode) -> tuple[str, ...]:
    """The kinds that a pathway of a mode can have, whatever its route."""
    return slots("draw") if mode == "draw" else slots("features", "codes")
