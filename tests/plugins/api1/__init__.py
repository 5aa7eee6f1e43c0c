"""One plugin of each kind, as the contracts of plugin API 1 have it. Never changed."""
