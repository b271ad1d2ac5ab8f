"""Pages whose text repeats, through the reader and an engine that cuts loops: forms come out whole, loops are cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from folioscope.model.dialects.kimi_vl import KimiVlDialect
from folioscope.model.dialects.mineru import MinerUDialect
from folioscope.model.engine.fake_engine import FakeEngine
from folioscope.model.engine.interface import Request
from folioscope.model.engine.loops import CHECK_EVERY
from folioscope.model.kimi.replica import KimiReplica
from folioscope.model.kimi.token_conversation import TokenConversation
from folioscope.model.kimi.variants import INSTRUCT
from folioscope.model.kimi_vl import KimiVLProcessor
from folioscope.model.protocol import PageInput, Reading

AFTER = "\n\nSigned at Sallow on the first of April."
FORMS = {
    "60 empty rows": "<table>" + "<tr><td></td><td></td><td></td></tr>\n" * 60 + "</table>",
    "40 check boxes": "☐ Yes ☐ No\n" * 40,
    "40 task list items": "- [ ] \n" * 40,
}


def page() -> PageInput:
    image = np.full((120, 200, 3), 255, np.uint8)
    image[20:40, 20:90] = 0
    return PageInput(1, 200, 120, image, None)


def read(processor: KimiVLProcessor, *said: str) -> tuple[Reading, FakeEngine]:
    """What is read where the model says this, one answer after the other."""
    replies = iter(said)

    def script(request: Request) -> Sequence[int]:
        return processor.tokenizer.encode_text(next(replies))

    engine = FakeEngine(script)
    replica = KimiReplica(engine, TokenConversation(processor), KimiVlDialect(), INSTRUCT, 100_000)
    [reading] = replica.read([page()])
    assert isinstance(reading, Reading)
    return reading, engine


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_comes_out_whole_with_what_follows(processor: KimiVLProcessor, form: str) -> None:
    text = f"# Form\n\n{form}{AFTER}"
    reading, engine = read(processor, text)
    assert reading.text == text
    assert reading.flags == ()
    assert engine.counters.loops_cut == 0


def test_a_loop_in_the_middle_is_cut_and_the_page_goes_on_behind_it(processor: KimiVLProcessor) -> None:
    before = (
        "# Rules\n\nThe meadow below the weir is let from the first of April each year to whoever bids the most.\n" * 2
    )
    turn = "The rent is paid.\n"
    reading, engine = read(processor, before + turn * 100, AFTER.strip())
    assert reading.text == f"{before}{turn}".strip() + "\n" + AFTER.strip()
    assert reading.flags == ("went_on_after_loop",)
    written = len(processor.tokenizer.encode_text(before))
    assert engine.counters.output_tokens - written <= 600 + CHECK_EVERY + len(AFTER)


def test_regions_are_read_one_by_one_and_put_together(processor: KimiVLProcessor) -> None:
    layout = (
        "<|box_start|>100 100 500 400<|box_end|><|ref_start|>title<|ref_end|><|rotate_up|>"
        "<|box_start|>100 500 900 900<|box_end|><|ref_start|>text<|ref_end|><|rotate_left|>"
    )
    shapes: list[tuple[int, ...]] = []

    def script(request: Request) -> Sequence[int]:
        image = request.pictures[0].image
        assert image is not None
        shapes.append(image.shape[:2])
        said = (
            layout if image.shape == (1036, 1036, 3) else "The weir" if image.shape[1] > image.shape[0] else "Rebuilt."
        )
        return processor.tokenizer.encode_text(said)

    replica = KimiReplica(FakeEngine(script), TokenConversation(processor), MinerUDialect(), INSTRUCT, 100_000)
    [reading] = replica.read([page()])
    assert isinstance(reading, Reading)
    assert reading.text == "# The weir\n\nRebuilt."
    assert [block.kind for block in reading.blocks] == ["heading", "text"]
    assert shapes == [(1036, 1036), (36, 80), (160, 48)]
