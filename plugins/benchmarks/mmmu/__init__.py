"""MMMU (arXiv:2311.16502): questions of college exams in 30 subjects, with one or several pictures."""
