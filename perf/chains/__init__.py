"""Parts of the benchmark of chains."""
