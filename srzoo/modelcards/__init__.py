"""Model cards: writing, checking, and publishing."""
