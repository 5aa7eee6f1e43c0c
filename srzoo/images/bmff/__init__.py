"""AVIF and HEIC: facts in their boxes, and in the data of AV1."""
