"""Many pictures, and none of them lost: jobs, ledger, pipeline."""
