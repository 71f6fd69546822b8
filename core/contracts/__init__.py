"""What each kind of component promises: the config half (torch-free) and the module half (torch).

A component is registered with a config class and the import path of a factory. The config declares ports; the factory
gets the config and the same ports, and returns a ``torch.nn.Module`` that keeps them. Dimension letters:

    B pictures or rows    N tokens of one picture    d depth of a code    T positions    H hidden width    V vocabulary

Config classes are frozen attrs classes with a default for every field that a preset can give; each field carries
``metadata={"help": "one sentence"}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parts import Adapter as Adapter
from .parts import AdapterConfig as AdapterConfig
from .parts import Backbone as Backbone
from .parts import BackboneConfig as BackboneConfig
from .parts import Borrower as Borrower
from .parts import BorrowerConfig as BorrowerConfig
from .parts import Choose as Choose
from .parts import Embedding as Embedding
from .parts import EmbeddingConfig as EmbeddingConfig
from .parts import Encoder as Encoder
from .parts import EncoderConfig as EncoderConfig
from .parts import Head as Head
from .parts import HeadConfig as HeadConfig
from .parts import ImageTransform as ImageTransform
from .parts import Tiling as Tiling
from .parts import TilingConfig as TilingConfig
from .parts import Tokenizer as Tokenizer
from .parts import TokenizerConfig as TokenizerConfig
from .text import Layout as Layout
from .text import LayoutConfig as LayoutConfig
from .text import TextConfig as TextConfig
from .text import TextTokenizer as TextTokenizer
from .training import Contents as Contents
from .training import ObjectiveConfig as ObjectiveConfig
from .training import Sink as Sink
from .training import SinkConfig as SinkConfig
from .training import Source as Source
from .use import Benchmark as Benchmark
from .use import BenchmarkConfig as BenchmarkConfig
from .use import Format as Format
from .use import FormatConfig as FormatConfig
from .use import Kernel as Kernel
from .use import KernelConfig as KernelConfig
from .use import Progress as Progress
from .use import Sampler as Sampler
from .use import SamplerConfig as SamplerConfig

if TYPE_CHECKING:
    from .objective import Objective as Objective


def __getattr__(name: str) -> Any:
    if name == "Objective":  # a torch.nn.Module, so it is imported on first use
        from .objective import Objective

        return Objective
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
