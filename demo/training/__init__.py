"""Scripts that make the demo checkpoints; see `make demo-checkpoints`."""
