"""Crops on a grid that is chosen for each picture, and an overview."""
