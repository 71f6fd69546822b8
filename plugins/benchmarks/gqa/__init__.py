"""GQA (arXiv:1902.09506): questions about scenes, answered with a word or a phrase."""
