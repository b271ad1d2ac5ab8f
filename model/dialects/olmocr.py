"""olmOCR 2 (allenai/olmOCR-2-7B): front matter in YAML, then the page as Markdown with tables in HTML. No boxes.

Format and prompt as in allenai/olmocr, ``build_no_anchoring_v4_yaml_prompt``: pictures of at most 1,288 pixels, the
prompt before the picture. The front matter says by how much the page must be turned.
"""

from __future__ import annotations

import re

import yaml

from folioscope.model.dialects.base import Dialect, Transcript, scaled
from folioscope.model.dialects.latex import to_dollars
from folioscope.model.dialects.markdown import to_blocks, unfenced
from folioscope.model.engine.interface import Sampling

LONGEST = 1288
_FRONT = re.compile(r"\A\s*---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.S)
_UNFINISHED = re.compile(r"\A\s*---[ \t]*\n(?:[a-z_]+:[^\n]*\n)*[a-z_]*(?::[^\n]*)?\Z")


class OlmOcrDialect(Dialect):
    name = "olmocr"
    text_first = True
    sampling = Sampling(8000, 0.1)
    prompt = (
        "Attached is one page of a document that you must process. Just return the plain text representation of this "
        "document as if you were reading it naturally. Convert equations to LateX and tables to HTML.\n"
        "If there are any figures or charts, label them with the following markdown syntax ![Alt text describing the "
        "contents of the figure](page_startx_starty_width_height.png)\n"
        "Return your output as markdown, with a front matter section on top specifying values for the "
        "primary_language, is_rotation_valid, rotation_correction, is_table, and is_diagram parameters."
    )

    def fit(self, width: int, height: int) -> tuple[int, int]:
        return scaled(width, height, longest=LONGEST)

    def parse(self, said: str, width: int, height: int) -> Transcript:
        text = unfenced(said)
        front = _FRONT.match(text)
        if front is None:
            text = "" if _UNFINISHED.match(text) else to_dollars(text)
            return Transcript(text, to_blocks(text))
        language, turned = _front_matter(front[1])
        text = to_dollars(text[front.end() :].strip())
        text = "" if text == "null" else text
        return Transcript(text, to_blocks(text), language, turned)


def _front_matter(text: str) -> tuple[str | None, int]:
    """(language, clockwise turn that is missing)."""
    try:
        front = yaml.safe_load(text)
    except yaml.YAMLError:  # a model's YAML: without it the page still has its text
        return None, 0
    if not isinstance(front, dict):
        return None, 0
    language = front.get("primary_language")
    turned = 0 if front.get("is_rotation_valid") is True else front.get("rotation_correction")
    known = isinstance(language, str) and re.fullmatch(r"[a-z]{2,3}", language) is not None
    return language if known else None, turned if turned in (90, 180, 270) else 0
