"""An install kept well: its caches, and what a bug report needs."""
