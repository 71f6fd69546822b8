"""The names of an MLP adapter's tensors in the released directories of Janus, below the prefix of the pathway, and in
files of Harmon."""

from janiform import KeyMap, Released

MAX_DEPTH = 16
"""The most layers that ``TRANSFORMERS`` has names for: transformers numbers them differently, so each has an entry."""

OFFICIAL = KeyMap({"{rest}": "{rest}"})
OFFICIAL_PREFIXES = {"understanding": "aligner.", "generation": "gen_aligner."}

TRANSFORMERS = KeyMap(
    {"layers.0.{rest}": "fc1.{rest}"}
    | {f"layers.{2 * index + 2}.{{rest}}": f"hidden_layers.{index}.{{rest}}" for index in range(MAX_DEPTH - 1)}
)
TRANSFORMERS_PREFIXES = {"understanding": "model.aligner.", "generation": "model.generation_aligner."}

JANUSFLOW = KeyMap(
    {"proj.{rest}": "vision_und_enc_aligner.{rest}", "lead": "beg_of_und_embed"},
    within=("vision_und_enc_aligner.", "beg_of_und_embed"),
)
"""The names of JanusFlow's adapter and of the vector before the features."""

HARMON = KeyMap({"layers.{rest}": "proj_in.{rest}"}, within=("proj_in.",))
"""The names of the layers between MAR's encoder and the language model in Harmon's files."""

RELEASED = Released(lambda config: [HARMON])
