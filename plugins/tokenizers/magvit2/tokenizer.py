"""The visual tokenizer of Show-o (arXiv:2408.12528): a MAGVIT-v2 (arXiv:2310.05737) for pictures."""

from __future__ import annotations

from ..lfq import LfqQuantizer, LfqTokenizer


class Magvit2Tokenizer(LfqTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order, whose highest bit is the sign of the first channel."""

    def quantizer(self) -> LfqQuantizer:
        return LfqQuantizer(self.config.bits, highest_first=True)
