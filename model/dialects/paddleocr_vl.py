"""PaddleOCR-VL (0.9B, 1.5): the words of a picture, line by line, and tables in OTSL. No boxes.

Prompt ``OCR:`` as its model card gives it. The model is made for single regions, which PaddleOCR's own pipeline finds
with a layout network; asked about a whole page it gives the page's words in reading order.
"""

from __future__ import annotations

from folioscope.model.dialects.base import Dialect, Transcript, transcript_of
from folioscope.model.dialects.latex import to_dollars
from folioscope.model.dialects.markdown import to_blocks, unfenced
from folioscope.model.dialects.otsl import is_otsl, to_html
from folioscope.model.engine.interface import Sampling
from folioscope.model.protocol import Block


class PaddleOcrVlDialect(Dialect):
    name = "paddleocr-vl"
    prompt = "OCR:"
    sampling = Sampling(4096)

    def parse(self, said: str, width: int, height: int) -> Transcript:
        text = unfenced(said)
        if not is_otsl(text):
            text = to_dollars(text)
            return Transcript(text, to_blocks(text))
        parts = [part.strip() for part in text.split("\n\n") if part.strip()]
        return transcript_of([_block(part) for part in parts])


def _block(part: str) -> Block:
    return Block("table", to_html(part)) if is_otsl(part) else Block("text", to_dollars(part))
