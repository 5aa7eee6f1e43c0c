"""What trains a model: recipes, their checks, and the data folder."""
