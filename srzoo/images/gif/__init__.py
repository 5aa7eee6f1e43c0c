"""GIF files: their blocks."""
