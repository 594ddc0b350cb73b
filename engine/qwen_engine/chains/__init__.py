"""Chains: several models made into one. See docs/chains.md."""
