"""Documents of what chains made: Markdown, Word, PowerPoint. The last two need `qwen-triton[documents]`."""
