"""Benchmarks: a module each, or one for those that share layout, prompt and rule."""
