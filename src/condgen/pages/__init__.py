"""Everything that is written as HTML: reports, comparisons, inspections, galleries."""
