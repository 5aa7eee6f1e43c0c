"""Evaluation: benchmark sets, metrics, results in cards, and checks of claims."""
