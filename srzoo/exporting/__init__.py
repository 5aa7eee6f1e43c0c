"""Models in other programs' formats: written, checked against torch, kept, and run."""
