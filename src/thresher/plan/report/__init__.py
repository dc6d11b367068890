"""A plan as one HTML page: no file beside it, no request to anywhere, readable in print and by a screen reader."""

from thresher.plan.report.page import as_html

__all__ = ["as_html"]
