"""Dialects: how a model is asked for a page, and how what it writes becomes text and blocks. A module each."""
