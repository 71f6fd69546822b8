"""The names of an MLP adapter's tensors in released files, below the prefix of the pathway."""

from janiform import KeyMap

OFFICIAL = KeyMap({"{rest}": "{rest}"})
OFFICIAL_PREFIXES = {"understanding": "aligner.", "generation": "gen_aligner."}

DEEPEST = 16
"""The names of so many layers are known to ``TRANSFORMERS``, which counts them otherwise than a sequence of modules."""

TRANSFORMERS = KeyMap(
    {"layers.0.{rest}": "fc1.{rest}"}
    | {f"layers.{2 * index + 2}.{{rest}}": f"hidden_layers.{index}.{{rest}}" for index in range(DEEPEST - 1)}
)
TRANSFORMERS_PREFIXES = {"understanding": "model.aligner.", "generation": "model.generation_aligner."}
