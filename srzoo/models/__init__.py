"""What a model is, and where models are found."""
