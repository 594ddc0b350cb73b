"""Documents of what chains made: Markdown, Word, PowerPoint. The last two need python-docx and python-pptx."""
