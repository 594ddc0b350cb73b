"""The gateway: the platform's REST API and OpenAI's, in front of one or several Triton servers."""
