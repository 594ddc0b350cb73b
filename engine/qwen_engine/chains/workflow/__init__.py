"""Workflows: graphs of models and functions, checked and run. See docs/chains.md."""
