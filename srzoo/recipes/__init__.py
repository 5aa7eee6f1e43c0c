"""Recipes: what trains a model, their checks, and the data folder."""
