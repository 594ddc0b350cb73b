"""Charts drawn from JSON: the same JSON, the same picture."""
