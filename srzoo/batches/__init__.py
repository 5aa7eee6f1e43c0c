"""Batches of pictures: jobs, ledger, pipeline; interrupted runs can resume."""
