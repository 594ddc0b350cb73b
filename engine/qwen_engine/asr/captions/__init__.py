"""Live captions: speech written down while it is spoken."""
