"""Cards and publishing: what is told of a model, checked and pushed."""
