"""What named chains do between their models: prompts of the chat model, and functions of JSON."""
