"""The engine: speech, voice and pictures from checkpoints. Knows nothing of Triton, HTTP or clients."""
