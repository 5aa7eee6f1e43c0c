"""TIFF files: directories, pages, tags and pixels; read as untrusted data, and written."""
