"""Speech recognition: batched, long and live."""
