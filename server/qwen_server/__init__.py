"""The supervisor: reads a profile, starts Triton with our models, watches it and stops it cleanly."""
