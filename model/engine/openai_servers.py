"""Where servers are, and which environment variables hold the keys to them.

A key is looked up when a connection is made, and never becomes part of a choice, a plan, a row or a message.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from folioscope.model.choice import ChoiceError

KEY_VARIABLE = "FOLIOSCOPE_API_KEY"
COMMON_VARIABLE = "OPENAI_API_KEY"
HIDDEN = "[key]"


class ServerNameError(ChoiceError):
    """What was given is no server; the message says what it should look like."""


@dataclass(frozen=True, slots=True)
class Server:
    """``url`` ends in ``/v1`` or whatever the API's paths follow; ``model`` is the name that the server knows it by."""

    url: str
    model: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Environment variables that may hold its key, the most particular first."""
        own = re.sub(r"[^A-Z0-9]+", "_", (urlsplit(self.url).hostname or "").upper())
        return f"{KEY_VARIABLE}_{own}", KEY_VARIABLE, COMMON_VARIABLE

    def key(self) -> str | None:
        return next((os.environ[name] for name in self.key_variables if os.environ.get(name)), None)


def parse_server(name: str) -> Server:
    """From ``https://host/v1#model-name``. Raises :class:`ServerNameError`, which never repeats a secret."""
    url, _, model = name.partition("#")
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise ServerNameError(
            f"--model {parts.scheme}://{parts.hostname}…#{model}: no key or password may stand in a server's URL, "
            f"which is stored with the results. Put it into the environment variable {KEY_VARIABLE}."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not model:
        raise ServerNameError(f"--model {name}: a server is given as https://host/v1#model-name")
    return Server(url.rstrip("/"), model)


def hide(text: str, key: str | None) -> str:
    """The text without the key, however a server came to say it."""
    return text.replace(key, HIDDEN) if key else text
