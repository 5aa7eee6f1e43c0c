"""The torch side of a model: weights, runner, folding, summary. All of it imports torch."""
