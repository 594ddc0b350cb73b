"""Speech synthesis: talker and code predictor in one continuous batch, a streaming codec, voices."""
