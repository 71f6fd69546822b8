"""Damaged and hostile input by the thousands, from fixed seeds: all of it must be read or refused in a sentence."""
