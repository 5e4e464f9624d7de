"""The gallery of a run: samples for requests, their changes with the request, and edits of photographs."""

from condgen.pages.gallery.look import GalleryContext
from condgen.pages.gallery.page import NEEDING_DATA, SECTIONS, Gallery, gallery, must_be_replaceable
from condgen.pages.gallery.panels import Panel, PanelRow, Section

__all__ = [
    "NEEDING_DATA",
    "SECTIONS",
    "Gallery",
    "GalleryContext",
    "Panel",
    "PanelRow",
    "Section",
    "gallery",
    "must_be_replaceable",
]
