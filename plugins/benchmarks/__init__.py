"""The benchmarks of published papers, as components."""
