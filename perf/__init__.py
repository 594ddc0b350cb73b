"""Load tests and benchmarks. See README.md."""
