"""Byte-level BPE (Sennrich et al., arXiv:1508.07909, on bytes as in GPT-2), by the ``tokenizers`` library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from janiform import ComponentError, StorageError, read_bounded
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from .config import BpeConfig
from .tokenizer_file import MAX_BYTES, fault_of

FILE = "tokenizer.json"


class BpeTokenizer:
    """A byte-level tokenizer, which can encode any string.

    ``encode`` treats the text of a special token as ordinary text: layouts place special tokens by their ids, so that
    users cannot type them into a prompt.
    """

    def __init__(self, config: BpeConfig, folder: Path | None = None) -> None:
        self.config = config
        self._tokenizer: Tokenizer | None = None
        file = _file(config, folder)
        if file is not None:
            self._use(_read(file))
            if config.complete:
                self.complete()

    @property
    def fitted(self) -> bool:
        return self._tokenizer is not None

    @property
    def size(self) -> int:
        """The number of ids."""
        return int(self._ready.get_vocab_size())

    def fit(self, texts: Iterable[str]) -> None:
        """Learn the vocabulary. The result does not depend on the order of the texts.

        Raises ``ComponentError`` where ``vocabulary`` is too small for the 256 bytes and the special tokens.
        """
        specials = list(dict.fromkeys(self.config.special_tokens))
        minimum = 256 + len(specials)
        if self.config.vocabulary < minimum:
            raise ComponentError(
                f"text 'bpe': a vocabulary of {self.config.vocabulary} is too small to be learned: 256 bytes and "
                f"{len(specials)} special tokens need at least {minimum}; set 'vocabulary', or set 'file'"
            )
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.config.vocabulary,
            min_frequency=2,
            special_tokens=specials,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(sorted(texts), trainer)
        self._use(tokenizer)

    def complete(self) -> list[str]:
        """Append the special tokens of the config that the file lacks, and return them."""
        lacking = [token for token in dict.fromkeys(self.config.special_tokens) if token not in self._added]
        tokenizer = self._ready
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in lacking])
        self._use(tokenizer)
        return lacking

    def encode(self, text: str) -> list[int]:
        ready = self._ready
        try:
            return list(ready.encode(text, add_special_tokens=False).ids)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # rules of the file can make the library panic
            raise ComponentError(f"text 'bpe': the rules of its {FILE} fail on a text: {error}") from error

    def decode(self, ids: Sequence[int]) -> str:
        ready = self._ready
        try:
            return str(ready.decode(list(ids), skip_special_tokens=True))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as in encode
            raise ComponentError(f"text 'bpe': the rules of its {FILE} fail on tokens: {error}") from error

    def id_of(self, token: str) -> int:
        ready = self._ready
        if token not in self._added:
            names = ", ".join(sorted(self._added)[:12])
            raise ComponentError(f"the text tokenizer has no special token '{token}' (it has: {names or 'none'})")
        return int(ready.token_to_id(token))

    def save(self, folder: Any) -> None:
        # The library writes only to paths that are UTF-8.
        (Path(folder) / FILE).write_text(self._ready.to_str(pretty=True), encoding="utf-8", newline="\n")

    @property
    def _ready(self) -> Tokenizer:
        if self._tokenizer is None:
            raise ComponentError(
                "text 'bpe' has no vocabulary yet: load a model folder with a tokenizer.json, set 'file', or train"
            )
        return self._tokenizer

    def _use(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "json": self._tokenizer and self._tokenizer.to_str()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.config = state["config"]
        self._tokenizer = None
        if state["json"] is not None:
            self._use(Tokenizer.from_str(state["json"]))


def _file(config: BpeConfig, folder: Path | None) -> Path | None:
    if folder is not None and (folder / FILE).is_file():
        return folder / FILE
    if config.file is None:
        return None
    try:
        file = Path(config.file).expanduser()
        return file / FILE if file.is_dir() else file
    except (OSError, ValueError, RuntimeError):  # not a valid path; reading it says why
        return Path(config.file)


def _read(file: Path) -> Tokenizer:
    try:
        data = read_bounded(file, MAX_BYTES)
        fault = fault_of(data)
    except OSError as error:
        raise ComponentError(f"text 'bpe': {str(file)[:200]} cannot be read: {error.strerror}") from error
    except StorageError as error:
        raise ComponentError(f"text 'bpe': {error}") from error
    except ValueError as error:
        raise ComponentError(f"text 'bpe': {file} is not a valid tokenizer.json: {error}") from error
    if fault:
        raise ComponentError(f"text 'bpe': {file} is refused: {fault}")
    try:
        return Tokenizer.from_str(data.decode("utf-8-sig"))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the library raises bare Exception for errors in the file, and panics
        raise ComponentError(f"text 'bpe': {file} is not a valid tokenizer.json: {error}") from error
