"""Benchmarks that need a GPU, on checkpoints of the published shapes with random weights."""
