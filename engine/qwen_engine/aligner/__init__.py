"""Forced alignment: the time of each word of a known text in a recording."""
