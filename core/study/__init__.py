"""Ablation studies: cells of a study, trained with several seeds, compared and reported."""
