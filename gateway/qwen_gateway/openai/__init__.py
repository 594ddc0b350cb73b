"""OpenAI's API, /v1: for clients of which only the base_url changes."""
