"""srzoo's own plugins, one package each; found by entry point, like all others."""
