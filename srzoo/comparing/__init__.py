"""Comparison of models: crops to compare, sheets, pages."""
