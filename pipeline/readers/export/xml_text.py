"""Text that may stand in XML 1.0."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text with characters that XML cannot hold replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)
