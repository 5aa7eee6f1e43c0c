"""TIFF files: directories, pages, tags and pixels, read without trust, and written."""
