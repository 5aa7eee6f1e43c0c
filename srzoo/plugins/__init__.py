"""Finds plugins: the registry class, and a registry for each kind."""
