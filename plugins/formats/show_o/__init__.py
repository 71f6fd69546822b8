"""The directories of Show-o as its authors release them."""
