"""Common basics: files, memory, and unexpected errors."""
