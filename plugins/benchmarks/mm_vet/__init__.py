"""MM-Vet (arXiv:2308.02490): open questions that need several capabilities at once, graded by a judge."""
