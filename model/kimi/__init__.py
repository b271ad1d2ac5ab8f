"""Kimi-VL as a replica: prompts, requests to an engine, and what is made of its answers."""
