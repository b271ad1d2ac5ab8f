"""Languages are named as the schema says: by BCP 47 tags."""

from __future__ import annotations

import langcodes
import py3langid
import pytest

from folioscope.model import language
from folioscope.model.language import identify, language_of
from folioscope.schemas.tables import SEGMENTS

TEXT = "The keeper of the lighthouse lit the lamp at dusk, and put it out at dawn."
LABELS = sorted(label for label, _ in py3langid.rank(TEXT))


@pytest.mark.parametrize("label", LABELS)
def test_every_label_that_the_identifier_can_give_is_written_as_the_schema_declares(
    label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language.py3langid, "rank", lambda text: [(label, 0.0), ("und", -1.0)])
    found = identify(TEXT)
    assert found is not None
    assert langcodes.tag_is_valid(found.code)
    assert len(found.code) == 2 or len(langcodes.standardize_tag(label)) == 3, "two letters where there are two"
    assert langcodes.standardize_tag(found.code) == langcodes.standardize_tag(label), "the same language"
    assert language_of(TEXT) == (None if label == "zxx" else found.code)


def test_the_schema_says_so() -> None:
    assert b"BCP 47" in SEGMENTS.field("language").metadata[b"description"]
