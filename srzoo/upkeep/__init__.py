"""Maintenance: caches, and facts for bug reports."""
