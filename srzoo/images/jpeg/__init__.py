"""JPEG files: segments, and whether all data are there."""
