"""Image understanding: a picture and a question in, text out."""
