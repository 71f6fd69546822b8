"""Pixels cut into patches and one linear map: no vision encoder at all, as in Fuyu."""
