"""A gallery of a run: what it makes of requests, how that changes with them, and what it does to photographs."""

from condgen.gallery.look import Look
from condgen.gallery.page import NEEDING_DATA, SECTIONS, Gallery, gallery
from condgen.gallery.panels import Panel, Row, Section

__all__ = ["NEEDING_DATA", "SECTIONS", "Gallery", "Look", "Panel", "Row", "Section", "gallery"]
