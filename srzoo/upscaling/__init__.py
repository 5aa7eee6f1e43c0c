"""Enlarging: sizes, memory, tiles, and the Upscaler that puts them together."""
