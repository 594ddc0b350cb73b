"""Chat with Qwen3 text models: continuous batch, chat template, thinking, stop words, JSON by schema, kept prefixes."""
