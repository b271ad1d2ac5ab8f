"""What the nano model was taught to be asked."""

from __future__ import annotations

from typing import Final

READ: Final = "Read the text."
COUNT: Final = "Count the lines."
PRESENCE: Final = 'Is "{word}" on the page? Where?'
