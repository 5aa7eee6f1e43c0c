"""JPEG files: their segments, and checks for completeness."""
