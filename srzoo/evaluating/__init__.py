"""Figures: benchmark sets, metrics over models, results in cards, and whether claims hold."""
