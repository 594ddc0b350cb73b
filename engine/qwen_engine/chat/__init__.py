"""Chat with Qwen3 text models: continuous batch, chat template, thinking, stop words, JSON schemas, prefix cache."""
