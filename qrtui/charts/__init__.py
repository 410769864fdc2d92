"""Charts drawn: as text for a terminal, as SVG, PNG and PDF, and as CSV."""
