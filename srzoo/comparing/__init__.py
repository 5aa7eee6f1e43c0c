"""Models side by side: places to look at, sheets, pages."""
