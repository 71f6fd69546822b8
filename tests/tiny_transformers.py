"""Tiny models of transformers with random weights, in the exact layouts of released ones, written to folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from janiform_plugins.benchmarks.vision.coco import CLASSES

WORDS = ["a", "photo", "of", "is", "there", "yes", "no", "red", "blue", "green", "white", "black", "object", "dog",
         "bench", "clock", "apple", "wine", "glass", "colored", "cube", "the", "it", "?", ".", "-"]  # fmt: skip

CLIP_TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "max_position_embeddings": 20, "vocab_size": 190, "bos_token_id": 188, "eos_token_id": 189,
             "pad_token_id": 189}  # fmt: skip
CLIP_VISION = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
               "image_size": 32, "patch_size": 8}  # fmt: skip
PICTURE_PROCESSOR = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1],
        "window_size": 2}  # fmt: skip
BERT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def clip(folder: Path) -> Path:
    import transformers as t

    tokenizer = _clip_tokenizer(t)
    config = t.CLIPConfig(text_config=CLIP_TEXT, vision_config=CLIP_VISION, projection_dim=8)
    return _written(folder, t.CLIPModel, config, tokenizer, t.CLIPImageProcessorPil(**PICTURE_PROCESSOR))


def owlvit(folder: Path) -> Path:
    import transformers as t

    tokenizer = _clip_tokenizer(t, length=30)
    text = CLIP_TEXT | {"max_position_embeddings": 30}
    config = t.OwlViTConfig(text_config=text, vision_config=CLIP_VISION, projection_dim=16)
    pictures = t.OwlViTImageProcessorPil(size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32})
    return _written(folder, t.OwlViTForObjectDetection, config, t.OwlViTProcessor(pictures, tokenizer))


def grounding_dino(folder: Path) -> Path:
    import transformers as t

    tokenizer = _bert_tokenizer(t)
    config = t.GroundingDinoConfig(
        backbone_config=t.SwinConfig(**SWIN, out_features=["stage2", "stage3", "stage4"]),
        text_config=t.BertConfig(**BERT, vocab_size=len(tokenizer)), d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=7,
        max_text_len=40,
    )  # fmt: skip
    pictures = t.GroundingDinoImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 192})
    return _written(folder, t.GroundingDinoForObjectDetection, config, t.GroundingDinoProcessor(pictures, tokenizer))


def mask2former(folder: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    import transformers as t

    swin = t.SwinConfig(**SWIN, out_features=["stage1", "stage2", "stage3", "stage4"])
    widths = dict.fromkeys(("feature_size", "mask_feature_size", "hidden_dim", "encoder_feedforward_dim"), 32)
    config = t.Mask2FormerConfig(
        backbone_config=swin, **widths, encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=16,
        num_queries=7, id2label=dict(enumerate(classes)),
    )  # fmt: skip
    return _written(folder, t.Mask2FormerForUniversalSegmentation, config)


def blip(folder: Path) -> Path:
    import transformers as t

    tokenizer = _bert_tokenizer(t)
    ids = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    text = BERT | ids | {"vocab_size": len(tokenizer), "encoder_hidden_size": 16, "max_position_embeddings": 40}
    vision = BERT | {"image_size": 32, "patch_size": 8}
    config = t.BlipConfig(text_config=text, vision_config=vision, projection_dim=8, image_text_hidden_size=8)
    pictures = t.BlipImageProcessorPil(size={"height": 32, "width": 32})
    return _written(folder, t.BlipForQuestionAnswering, config, t.BlipProcessor(pictures, tokenizer))


def vilt(folder: Path, answers: tuple[str, ...] = ("yes", "no", "red")) -> Path:
    import transformers as t

    tokenizer = _bert_tokenizer(t)
    config = t.ViltConfig(
        **BERT, vocab_size=len(tokenizer), image_size=32, patch_size=8, id2label=dict(enumerate(answers))
    )
    pictures = t.ViltImageProcessorPil(size={"shortest_edge": 64}, size_divisor=8)
    return _written(folder, t.ViltForQuestionAnswering, config, t.ViltProcessor(pictures, tokenizer))


def _clip_tokenizer(t: Any, length: int = 20) -> Any:
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return t.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length)


def _bert_tokenizer(t: Any) -> Any:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *(f"##{chr(code)}" for code in range(97, 123))]
    tokens += [chr(code) for code in range(98, 123)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return t.BertTokenizer(vocab=vocabulary, model_max_length=40)


def _written(folder: Path, model_class: Any, config: Any, *processors: Any) -> Path:
    torch.manual_seed(0)
    model = model_class(config)
    with torch.no_grad():
        for parameter in model.parameters():  # so that outputs depend on the inputs
            if parameter.dim() > 1:
                parameter.mul_(3)
    model.save_pretrained(folder)
    for processor in processors:
        processor.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"]
    return folder
