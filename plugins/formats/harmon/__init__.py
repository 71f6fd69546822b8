"""The directories of Harmon as its authors release them."""
