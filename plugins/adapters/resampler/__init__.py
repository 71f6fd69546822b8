"""Learned queries that attend over the features: as many tokens as queries."""
