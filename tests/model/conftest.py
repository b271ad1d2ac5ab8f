"""Lies here so that the tests in the folders below find ``chat_server``."""
