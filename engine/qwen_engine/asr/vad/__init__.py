"""Voice activity detection in recordings and live streams."""
