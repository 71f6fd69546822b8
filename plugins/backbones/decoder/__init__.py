"""What the language models share: pre-norm blocks of rotary grouped-query attention and gated MLPs."""
