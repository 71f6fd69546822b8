"""The page and the tables of a study, and what may be concluded from its results."""

from .conclusion import conclusion
from .page import page_html, write_page
from .summary import comparisons_of
from .tables import csv_table, latex_table, markdown_table, write_tables

__all__ = [
    "comparisons_of",
    "conclusion",
    "csv_table",
    "latex_table",
    "markdown_table",
    "page_html",
    "write_page",
    "write_tables",
]
