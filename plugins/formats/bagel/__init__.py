"""The directories of BAGEL as its authors release them."""
