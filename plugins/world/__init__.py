"""The world of shapes: pictures, captions and questions without end, and the means to judge what a model makes of them.

Pictures are 64 x 64 with one to four objects. :func:`sample_scene` makes any scene of the stream by (seed, index),
:func:`render` draws it, :func:`caption` and :func:`questions` talk about it, :func:`read_picture` reads a picture back
into objects, and :func:`prompts` with :func:`judge` and :func:`understanding_questions` are the benchmark.
"""

from .captions import caption, prompt
from .compositions import HELD_OUT, Counted, Lone, Paired, Related, held_out_in, is_held_out
from .geneval import CATEGORIES, DrawingPrompt, Requirement, judge, prompts
from .listings import list_pairs, listings
from .phrases import Phrase
from .questions import QUESTION_KINDS, Question, questions
from .render import render
from .sampling import SPLITS, Split, sample_scene
from .scene import (
    BACKGROUNDS,
    COLOURS,
    PICTURE_SIZE,
    RELATIONS,
    SHAPES,
    SIZES,
    Kind,
    Object,
    Scene,
    region_of,
    relation_of,
)
from .statements import statements
from .understanding import understanding_questions
from .verifier import Seen, read_picture

__all__ = [
    "BACKGROUNDS",
    "CATEGORIES",
    "COLOURS",
    "HELD_OUT",
    "PICTURE_SIZE",
    "QUESTION_KINDS",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "SPLITS",
    "Counted",
    "DrawingPrompt",
    "Kind",
    "Lone",
    "Object",
    "Paired",
    "Phrase",
    "Question",
    "Related",
    "Requirement",
    "Scene",
    "Seen",
    "Split",
    "caption",
    "held_out_in",
    "is_held_out",
    "judge",
    "list_pairs",
    "listings",
    "prompt",
    "prompts",
    "questions",
    "read_picture",
    "region_of",
    "relation_of",
    "render",
    "sample_scene",
    "statements",
    "understanding_questions",
]
