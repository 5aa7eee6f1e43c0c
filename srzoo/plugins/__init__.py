"""Finding plugins: the registry, and one for each kind."""
