"""Live captions: streaming recognition."""
