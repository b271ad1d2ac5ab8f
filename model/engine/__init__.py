"""Engines turn prompts of tokens and images into tokens: ours in PyTorch, vLLM's, and a scripted one for tests."""
