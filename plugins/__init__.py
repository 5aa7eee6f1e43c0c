"""The zoo's own plugins, a package for each; found by entry point, like all others."""
