"""The guarantees in the documentation are those that tests prove."""

from __future__ import annotations

from guarantees import ELSEWHERE, FAULTS, MOMENTS, TESTS, collect, render


def test_every_fault_at_every_moment_has_its_test() -> None:
    proven = {(item.fault, moment) for item in collect() for moment in item.moments}
    wanted = {(fault, moment) for fault in FAULTS for moment in MOMENTS}
    assert wanted - proven - set(ELSEWHERE) == set()
    assert proven - wanted == set()


def test_the_page_is_up_to_date() -> None:
    page = (TESTS.parent / "docs" / "guarantees.md").read_text()
    assert page == render(), "run: python -m tests.guarantees > docs/guarantees.md"
