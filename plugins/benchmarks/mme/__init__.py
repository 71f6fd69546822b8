"""MME (arXiv:2306.13394): pairs of yes-or-no questions about pictures, in 14 subtasks."""
