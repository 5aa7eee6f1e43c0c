"""Engines side by side: time, memory, and how near they come to the CPU's peak."""
