"""The page of evaluations: scores beside published ones, categories, and examples of right and wrong outputs."""
