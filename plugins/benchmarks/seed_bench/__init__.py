"""SEED-Bench (arXiv:2307.16125): questions with four options about pictures, in nine dimensions."""
