"""Cards and publishing: what a card says of a model, checked and pushed."""
