"""Exports of models in other programs' formats: written, compared with torch, cached, and run."""
