"""Text as it is generated: a character may be spread over several ids, and half a character is nobody's text."""

from __future__ import annotations

import codecs

from model.kimi_vl.tokenization import KimiVLTokenizer


class StreamingDecoder:
    """Turns ids into text one at a time, holding back the bytes of a character that is not whole yet.

    The pieces, with :meth:`finish`, join into exactly what ``tokenizer.decode`` gives for all the ids. Bytes that can
    never become a character are given out as U+FFFD.
    """

    def __init__(self, tokenizer: KimiVLTokenizer, *, skip_special_tokens: bool = True) -> None:
        self._tokenizer = tokenizer
        self._skip = skip_special_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The text that this id completes; often empty."""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id, skip_special_tokens=self._skip))

    def finish(self) -> str:
        """What is left: U+FFFD if generation stopped inside a character, else nothing. The decoder starts anew."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
