"""One code after the other, in raster order."""
