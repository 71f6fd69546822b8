"""The demo page: one HTML file that shows what a model does."""

from .demo_page import DemoPage, ShownScore, page_html

__all__ = ["DemoPage", "ShownScore", "page_html"]
