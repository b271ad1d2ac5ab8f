"""The settings files of a checkpoint that lies behind an fsspec URL, fetched into a folder for as long as it is read.

These are the text files that processors and configurations are made of, about 3 MB together. Weights are not among
them: those are streamed by the loader and never touch the disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

SETTINGS_FILES = frozenset(
    {
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "config.json",
        "generation_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "special_tokens_map.json",
        "tiktoken.model",
        "tokenizer.json",
        "tokenizer_config.json",
    }
)


def is_url(location: object) -> bool:
    return isinstance(location, str) and "://" in location


@contextmanager
def fetched_settings(url: str) -> Iterator[Path]:
    """A folder with the settings files that the URL's directory holds; it goes when the block ends.

    Raises ``FileNotFoundError`` where the directory is absent or holds none of them.
    """
    filesystem, root = fsspec.url_to_fs(url)
    with tempfile.TemporaryDirectory(prefix="kimi-vl-settings-") as folder:
        found = 0
        for entry in filesystem.ls(root, detail=False):
            name = str(entry).rstrip("/").rsplit("/", 1)[-1]
            if name in SETTINGS_FILES:
                filesystem.get_file(entry, str(Path(folder, name)))
                found += 1
        if not found:
            raise FileNotFoundError(f"{url} holds none of a checkpoint's settings files (config.json and the like).")
        yield Path(folder)
