"""Models that judge drawings: interfaces that benchmarks call, and classes that read weights from folders."""

from .interfaces import ColourClassifier, Detection, Detector, VisualQuestionAnswering

__all__ = ["ColourClassifier", "Detection", "Detector", "VisualQuestionAnswering"]
