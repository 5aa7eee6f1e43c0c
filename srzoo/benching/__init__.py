"""Benchmarks of engines: time, memory, and the share of the CPU's peak speed."""
