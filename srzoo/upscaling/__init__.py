"""Upscaling: sizes, memory, tiles, and the Upscaler that combines them."""
