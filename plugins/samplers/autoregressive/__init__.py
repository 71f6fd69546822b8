"""Code after code, in raster order."""
