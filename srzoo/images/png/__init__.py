"""PNG files: chunks, texts, rows and pixels, read and written."""
