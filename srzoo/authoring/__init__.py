"""What authors of plugins use: a project from templates, a class tried from its file, pip."""
