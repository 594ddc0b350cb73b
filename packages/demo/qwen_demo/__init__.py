"""The demo checkpoints and recordings, for servers that are not run from a checkout: data only."""
