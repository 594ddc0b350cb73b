"""Models joined on the server: `client.chains`."""

from qwen_client.chains.ensembles import AlignedTranscript, SpokenPicture, aligned_transcript, spoken_image

__all__ = ["AlignedTranscript", "SpokenPicture", "aligned_transcript", "spoken_image"]
