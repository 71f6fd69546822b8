"""Split codes, as in UniTok."""
