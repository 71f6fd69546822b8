"""Which ids of the backbone's vocabulary are codes; for the embedding and for the head, which both work with them."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes, Hidden, PortMismatch


@frozen(kw_only=True)
class SharedVocabulary:
    """Codes stand among the text's ids, as in Chameleon (arXiv:2405.09818): code c is the id ``first`` + c."""

    first: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "id of the first code; 0 puts the codes at the end of the backbone's vocabulary"},
    )

    def rows(self, hidden: Hidden, codes: Codes) -> range:
        """The ids of the codes. Raises ``PortMismatch`` where the backbone's vocabulary is too small for them."""
        if not isinstance(codes, Codes) or codes.depth != 1:
            raise PortMismatch(
                f"a vocabulary is shared with one code a position, but what is given are {codes} (a tokenizer of "
                "depth 1 would fit, or a part with matrices of its own)"
            )
        first = self.first or hidden.vocabulary - codes.vocabulary
        if first < 1 or first + codes.vocabulary > hidden.vocabulary:
            start = f"from id {self.first} on" if self.first else "beside the text's"
            raise PortMismatch(
                f"the backbone's vocabulary of {hidden.vocabulary} has no room for {codes.vocabulary} codes {start} "
                f"(set backbone.vocabulary to the ids of the text and {codes.vocabulary} more)"
            )
        return range(first, first + codes.vocabulary)
