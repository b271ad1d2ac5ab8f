"""docs/capacity.md is what its script makes of the configuration, and its main figures are those of the specification."""

from __future__ import annotations

from benchmarks import capacity


def test_the_document_is_not_stale() -> None:
    assert capacity.DOCUMENT.read_text("utf-8") == capacity.text()


def test_its_figures_are_the_published_ones() -> None:
    assert capacity.parameters() == 16_407_656_048
    assert capacity.cache_bytes_per_token() == 31_104
    assert capacity.active_parameters() == 2_579_231_872
