"""Diagrams of a plan, as Mermaid and SVG."""
