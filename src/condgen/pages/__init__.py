"""HTML pages: reports, comparisons, inspections, galleries."""
