"""For authors of plugins: projects from templates, trials of a class in a file, pip."""
