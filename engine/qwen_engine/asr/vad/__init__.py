"""Voice activity: in which moments of a recording or a live stream somebody speaks."""
