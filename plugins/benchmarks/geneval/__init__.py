"""GenEval: six tasks of drawing objects, judged by a detector."""
