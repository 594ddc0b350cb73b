"""Texts cut as a speaker would cut them."""
