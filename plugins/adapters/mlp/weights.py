"""The names of an MLP adapter's tensors in released files, below the prefix of the pathway."""

from janiform import KeyMap

OFFICIAL_PREFIXES = {"understanding": "aligner.", "generation": "gen_aligner."}
OFFICIAL = KeyMap({"{rest}": "{rest}"})

TRANSFORMERS_PREFIXES = {"understanding": "model.aligner.", "generation": "model.generation_aligner."}
TRANSFORMERS = KeyMap(
    {
        "layers.0.{rest}": "fc1.{rest}",
        "layers.2.{rest}": "hidden_layers.0.{rest}",
        "layers.4.{rest}": "hidden_layers.1.{rest}",
        "layers.6.{rest}": "hidden_layers.2.{rest}",
    }
)
