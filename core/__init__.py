"""janiform: unified multimodal models, which look at images and draw them, built out of registered parts and recipes.

The names below are the public ones: what plugins, recipes in Python and notebooks may import. Each is loaded when it is
first used, so that ``import janiform``, and every name that needs no torch, comes without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

from .garbage import no_collection

__version__ = "0.1.0"

if TYPE_CHECKING:  # the table below once more, in the form that type checkers and editors follow
    from .ablation.records import study as study
    from .attention.attend import attend as attend
    from .attention.attend import sdpa as sdpa
    from .components.component import Component as Component
    from .components.hookspec import hookimpl as hookimpl
    from .components.registrar import Registrar as Registrar
    from .components.registry import Registry as Registry
    from .components.registry import registry as registry
    from .compose.plan import PathwayShape as PathwayShape
    from .compose.plan import Plan as Plan
    from .contracts import Backbone as Backbone
    from .contracts import Contents as Contents
    from .contracts import Item as Item
    from .contracts import Metric as Metric
    from .contracts import Published as Published
    from .contracts import Request as Request
    from .contracts import Score as Score
    from .contracts import TextTokenizer as TextTokenizer
    from .contracts import Tokenizer as Tokenizer
    from .contracts.kernels import AttentionRequest as AttentionRequest
    from .contracts.kernels import KernelSupport as KernelSupport
    from .contracts.objective import Objective as Objective
    from .contracts.showcase import Answered as Answered
    from .contracts.showcase import Drawn as Drawn
    from .contracts.showcase import Samples as Samples
    from .contracts.showcase import Showcase as Showcase
    from .contracts.showcase import TokenizerQuality as TokenizerQuality
    from .epochs import Epochs as Epochs
    from .errors import ComponentError as ComponentError
    from .errors import CompositionError as CompositionError
    from .errors import JaniformError as JaniformError
    from .errors import Origin as Origin
    from .errors import PictureError as PictureError
    from .errors import Problem as Problem
    from .errors import RecipeError as RecipeError
    from .errors import ResourceError as ResourceError
    from .errors import SampleError as SampleError
    from .errors import StorageError as StorageError
    from .errors import UsageError as UsageError
    from .errors import nearest as nearest
    from .evaluate.clip import ClipEmbedder as ClipEmbedder
    from .evaluate.intervals import mean_of_categories as mean_of_categories
    from .evaluate.intervals import mean_score as mean_score
    from .evaluate.pretrained import load_pretrained as load_pretrained
    from .evaluate.pretrained import pretrained_facts as pretrained_facts
    from .evaluate.pretrained import pretrained_type as pretrained_type
    from .guidance import Guidance as Guidance
    from .guidance import GuidanceRow as GuidanceRow
    from .inference.api import Model as Model
    from .inference.chat import Chat as Chat
    from .inference.drawing import Preview as Preview
    from .inference.generate import decode_codes as decode_codes
    from .inference.generate import generate_codes as generate_codes
    from .inference.generate import generate_latents as generate_latents
    from .inference.generate import generate_text as generate_text
    from .inference.generate import sampler_of as sampler_of
    from .inference.generate.canvas import Canvas as Canvas
    from .inference.generate.draft_window import DraftWindow as DraftWindow
    from .inference.generate.engine import generating as generating
    from .inference.generate.images import codes_steps as codes_steps
    from .inference.generate.latents import latents_steps as latents_steps
    from .inference.generate.running import run_steps as run_steps
    from .inference.generate.sampling import Sampling as Sampling
    from .inference.generate.sampling import drawing_seeds as drawing_seeds
    from .inference.generate.sampling import uniforms as uniforms
    from .inference.generate.steps import Decode as Decode
    from .inference.generate.steps import Prefill as Prefill
    from .inference.generate.steps import Steps as Steps
    from .inference.load import load as load
    from .inference.memory import MemoryPlan as MemoryPlan
    from .loss import Loss as Loss
    from .loss import summed_cross_entropy as summed_cross_entropy
    from .model.auxiliary import auxiliary_counts as auxiliary_counts
    from .model.auxiliary import auxiliary_losses as auxiliary_losses
    from .model.build import build_model as build_model
    from .model.picture_loss import picture_loss as picture_loss
    from .model.picture_loss import picture_predictions as picture_predictions
    from .model.processor import Processor as Processor
    from .model.unified_model import UnifiedModel as UnifiedModel
    from .pictures.provenance import Provenance as Provenance
    from .pictures.provenance import provenance_of as provenance_of
    from .pictures.provenance import save_picture as save_picture
    from .pictures.read import read_picture as read_picture
    from .pictures.sheet import contact_sheet as contact_sheet
    from .pictures.sheet import to_pil as to_pil
    from .pictures.transforms import CoverAndCrop as CoverAndCrop
    from .pictures.transforms import CropToSquare as CropToSquare
    from .pictures.transforms import PadToSquare as PadToSquare
    from .ports import Codes as Codes
    from .ports import CodesOrLatents as CodesOrLatents
    from .ports import Features as Features
    from .ports import Grid as Grid
    from .ports import Hidden as Hidden
    from .ports import Latents as Latents
    from .ports import Logits as Logits
    from .ports import PlaceValues as PlaceValues
    from .ports import PortMismatch as PortMismatch
    from .ports import Predicted as Predicted
    from .ports import Values as Values
    from .recipe import Recipe as Recipe
    from .recipe import build as build
    from .recipe import diff as diff
    from .recipe import dumps as dumps
    from .recipe import read_recipe as read_recipe
    from .recipe import read_recipe_text as read_recipe_text
    from .recipe import share as share
    from .recipe import use as use
    from .sequence.batch import Batch as Batch
    from .sequence.batch import collate as collate
    from .sequence.batch import pack as pack
    from .sequence.cache import Cache as Cache
    from .sequence.cache import KVCache as KVCache
    from .sequence.codes import check_latents as check_latents
    from .sequence.codes import with_given as with_given
    from .sequence.conversation import Conversation as Conversation
    from .sequence.conversation import Draw as Draw
    from .sequence.conversation import Look as Look
    from .sequence.conversation import Turn as Turn
    from .sequence.corruption import Corrupted as Corrupted
    from .sequence.corruption import Corruption as Corruption
    from .sequence.corruption import normal as normal
    from .sequence.mask import Mask as Mask
    from .sequence.places import PlaceNoise as PlaceNoise
    from .sequence.places import PlaceSampling as PlaceSampling
    from .sequence.routes import Routes as Routes
    from .sequence.runs import Runs as Runs
    from .sequence.spans import Sequence as Sequence
    from .sequence.spans import Span as Span
    from .sequence.spans import blanked as blanked
    from .sequence.spans import without as without
    from .sequence.tiles import Tiles as Tiles
    from .storage.atomic import write_files as write_files
    from .storage.contents import left_out as left_out
    from .storage.export import Export as Export
    from .storage.json_files import parse_json as parse_json
    from .storage.json_files import read_bounded as read_bounded
    from .storage.json_files import read_json as read_json
    from .storage.open import open_model as open_model
    from .storage.save import own_keys as own_keys
    from .storage.save import save_model as save_model
    from .storage.save import write_model as write_model
    from .storage.weight_files import WeightFiles as WeightFiles
    from .storage.weight_files import weight_files as weight_files
    from .untrusted_text import text_fault as text_fault
    from .weights import KeyMap as KeyMap
    from .weights import Released as Released

_PUBLIC = {
    "PlaceSampling": "sequence.places",
    "PlaceNoise": "sequence.places",
    "Routes": "sequence.routes",
    "Cache": "sequence.cache",
    "check_latents": "sequence.codes",
    "Decode": "inference.generate.steps",
    "DraftWindow": "inference.generate.draft_window",
    "Prefill": "inference.generate.steps",
    "Sampling": "inference.generate.sampling",
    "Steps": "inference.generate.steps",
    "uniforms": "inference.generate.sampling",
    "generating": "inference.generate.engine",
    "Canvas": "inference.generate.canvas",
    "picture_predictions": "model.picture_loss",
    "picture_loss": "model.picture_loss",
    "normal": "sequence.corruption",
    "Corruption": "sequence.corruption",
    "Corrupted": "sequence.corruption",
    "CodesOrLatents": "ports",
    "Values": "ports",
    "Latents": "ports",
    "Answered": "contracts.showcase",
    "AttentionRequest": "contracts.kernels",
    "Backbone": "contracts",
    "Batch": "sequence.batch",
    "Chat": "inference.chat",
    "ClipEmbedder": "evaluate.clip",
    "Codes": "ports",
    "Component": "components.component",
    "ComponentError": "errors",
    "CompositionError": "errors",
    "Contents": "contracts",
    "Conversation": "sequence.conversation",
    "CoverAndCrop": "pictures.transforms",
    "CropToSquare": "pictures.transforms",
    "Draw": "sequence.conversation",
    "Drawn": "contracts.showcase",
    "Epochs": "epochs",
    "Export": "storage.export",
    "Features": "ports",
    "Grid": "ports",
    "Guidance": "guidance",
    "GuidanceRow": "guidance",
    "Hidden": "ports",
    "Item": "contracts",
    "JaniformError": "errors",
    "KVCache": "sequence.cache",
    "KernelSupport": "contracts.kernels",
    "KeyMap": "weights",
    "Logits": "ports",
    "Look": "sequence.conversation",
    "Loss": "loss",
    "Mask": "sequence.mask",
    "MemoryPlan": "inference.memory",
    "Metric": "contracts",
    "Model": "inference.api",
    "Objective": "contracts.objective",
    "Origin": "errors",
    "PadToSquare": "pictures.transforms",
    "PathwayShape": "compose.plan",
    "PictureError": "errors",
    "Plan": "compose.plan",
    "PlaceValues": "ports",
    "PortMismatch": "ports",
    "Predicted": "ports",
    "Preview": "inference.drawing",
    "Problem": "errors",
    "Processor": "model.processor",
    "Provenance": "pictures.provenance",
    "Published": "contracts",
    "Recipe": "recipe",
    "RecipeError": "errors",
    "Registrar": "components.registrar",
    "Registry": "components.registry",
    "Released": "weights",
    "Request": "contracts",
    "ResourceError": "errors",
    "Runs": "sequence.runs",
    "SampleError": "errors",
    "Samples": "contracts.showcase",
    "TokenizerQuality": "contracts.showcase",
    "Score": "contracts",
    "Sequence": "sequence.spans",
    "Showcase": "contracts.showcase",
    "Span": "sequence.spans",
    "StorageError": "errors",
    "TextTokenizer": "contracts",
    "Tiles": "sequence.tiles",
    "Tokenizer": "contracts",
    "Turn": "sequence.conversation",
    "UnifiedModel": "model.unified_model",
    "UsageError": "errors",
    "WeightFiles": "storage.weight_files",
    "auxiliary_counts": "model.auxiliary",
    "auxiliary_losses": "model.auxiliary",
    "attend": "attention.attend",
    "blanked": "sequence.spans",
    "build": "recipe",
    "build_model": "model.build",
    "codes_steps": "inference.generate.images",
    "collate": "sequence.batch",
    "contact_sheet": "pictures.sheet",
    "decode_codes": "inference.generate",
    "diff": "recipe",
    "drawing_seeds": "inference.generate.sampling",
    "dumps": "recipe",
    "generate_codes": "inference.generate",
    "generate_latents": "inference.generate",
    "generate_text": "inference.generate",
    "hookimpl": "components.hookspec",
    "latents_steps": "inference.generate.latents",
    "left_out": "storage.contents",
    "load": "inference.load",
    "load_pretrained": "evaluate.pretrained",
    "mean_of_categories": "evaluate.intervals",
    "mean_score": "evaluate.intervals",
    "nearest": "errors",
    "open_model": "storage.open",
    "own_keys": "storage.save",
    "pack": "sequence.batch",
    "parse_json": "storage.json_files",
    "pretrained_facts": "evaluate.pretrained",
    "pretrained_type": "evaluate.pretrained",
    "provenance_of": "pictures.provenance",
    "read_bounded": "storage.json_files",
    "read_json": "storage.json_files",
    "read_picture": "pictures.read",
    "read_recipe": "recipe",
    "read_recipe_text": "recipe",
    "registry": "components.registry",
    "run_steps": "inference.generate.running",
    "sampler_of": "inference.generate",
    "save_model": "storage.save",
    "save_picture": "pictures.provenance",
    "sdpa": "attention.attend",
    "share": "recipe",
    "study": "ablation.records",
    "summed_cross_entropy": "loss",
    "text_fault": "untrusted_text",
    "to_pil": "pictures.sheet",
    "use": "recipe",
    "weight_files": "storage.weight_files",
    "with_given": "sequence.codes",
    "without": "sequence.spans",
    "write_files": "storage.atomic",
    "write_model": "storage.save",
}
"""Public name -> the module in this package that defines it. A name must not be that of a module of this package."""

_RENAMED: dict[str, str] = {
    "Asked": "AttentionRequest",
    "Making": "Provenance",
    "Misfit": "PortMismatch",
    "Serves": "KernelSupport",
    "making_of": "provenance_of",
}
"""Old public name -> the new one. The old name still works, with a DeprecationWarning."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warn(f"janiform.{name} is now janiform.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(__name__), _RENAMED[name])
    try:
        module = _PUBLIC[name]
    except KeyError:
        from .errors import nearest

        hint = nearest(name, _PUBLIC)
        raise AttributeError(f"janiform has no public name {name!r}" + (f"; {hint}" if hint else "")) from None
    with no_collection():
        value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value  # so that the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
