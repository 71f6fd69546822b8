"""A synthetic data set of coloured shapes: endless pictures, captions and questions, and a verifier of drawings.

Pictures are 64 x 64 with one to four objects. :func:`sample_scene` gives any scene of the stream by (seed, index),
:func:`render` draws it, :func:`caption` and :func:`questions` describe it, :func:`detect_objects` finds the objects in
a picture, and :func:`prompts`, :func:`judge` and :func:`understanding_questions` are the benchmark. Edits of scenes
are in :mod:`.editing`.
"""

from .captions import caption, prompt
from .compositions import HELD_OUT, Counted, Paired, Related, Single, held_out_in, is_held_out
from .geneval import CATEGORIES, DrawingPrompt, Requirement, judge, prompts
from .listings import list_pairs, listings
from .phrases import Phrase
from .questions import QUESTION_TYPES, Question, questions
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
from .texts import texts_about
from .understanding import understanding_questions
from .verifier import Detection, detect_objects

__all__ = [
    "BACKGROUNDS",
    "CATEGORIES",
    "COLOURS",
    "HELD_OUT",
    "PICTURE_SIZE",
    "QUESTION_TYPES",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "SPLITS",
    "Counted",
    "Detection",
    "DrawingPrompt",
    "Kind",
    "Object",
    "Paired",
    "Phrase",
    "Question",
    "Related",
    "Requirement",
    "Scene",
    "Single",
    "Split",
    "caption",
    "detect_objects",
    "held_out_in",
    "is_held_out",
    "judge",
    "list_pairs",
    "listings",
    "prompt",
    "prompts",
    "questions",
    "region_of",
    "relation_of",
    "render",
    "sample_scene",
    "texts_about",
    "understanding_questions",
]
