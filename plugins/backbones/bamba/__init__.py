"""Bamba: a decoder whose layers are recurrent, of Mamba-2 (arXiv:2405.21060), but for a few with attention."""
