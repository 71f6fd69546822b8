"""Attention by xformers."""
