"""Decode children under fire: they crash, hang, bloat and are killed, and only the page they were at is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import faults
import numpy as np
import pymupdf
import pytest

from folioscope.model.protocol import Block, TextLayer
from folioscope.pipeline.decode.child import DecodeChild
from folioscope.pipeline.decode.children import ChildDiedError, ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, FailedSegment
from folioscope.pipeline.decode.worker import batches
from folioscope.pipeline.failures import Failure, Reason

FAST = DecodeSettings(layout="fast")


@pytest.fixture
def children() -> Any:
    pool = DecodeChildren(1, ChildLimits(memory_bytes=1 << 30, seconds_per_page=5.0))
    yield pool
    pool.close()


@pytest.fixture(autouse=True)
def _children_find_the_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def test_a_child_needs_neither_ray_nor_torch(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one"])
    patient = DecodeChildren(1, ChildLimits())  # a busy machine may take long to load the layout network
    try:
        patient.decode(path, "pdf", 1, 1, DecodeSettings(layout="fast"))
        assert "pymupdf.layout" not in patient.call(faults.loaded_modules), "the layout network is for full layout"
        patient.decode(path, "pdf", 1, 1, DecodeSettings(layout="full"))
        loaded = patient.call(faults.loaded_modules)
    finally:
        patient.close()
    assert {"pymupdf", "pymupdf.layout"} <= set(loaded)
    assert not {"ray", "torch", "transformers"} & set(loaded)


def test_an_actor_leaves_decoders_to_its_child() -> None:
    stages = ", ".join(
        f"folioscope.pipeline.stages.{name}" for name in ("identify", "detect_shots", "read", "understand")
    )
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, {stages}; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "folioscope.pipeline.decode.children" in told
    assert not {"pymupdf", "av", "decord", "cv2"} & set(told)


def test_a_child_cannot_grow_past_its_limit(children: DecodeChildren) -> None:
    assert children.call(faults.bloat, 10 << 20) == 10 << 20
    with pytest.raises(ChildDiedError):
        children.call(faults.bloat, 4 << 30)
    assert children.call(faults.bloat, 1) == 1, "the next request gets a fresh child"


def test_crash_and_hang_are_told_apart(children: DecodeChildren) -> None:
    with pytest.raises(ChildDiedError) as crashed:
        children.call(faults.crash)
    assert crashed.value.reason is Reason.DECODE_CRASHED
    assert "SIGSEGV" in crashed.value.how
    short = DecodeChildren(1, ChildLimits(seconds_per_page=0.2))
    short.call(faults.bloat, 1)  # started: its deadline now holds
    with pytest.raises(ChildDiedError) as hung:
        short.call(faults.sleep, 60)
    assert hung.value.reason is Reason.DECODE_TIMEOUT
    short.close()


def test_one_child_serves_request_after_request(children: DecodeChildren, tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 100)])
    children.probe(path, "a.pdf")
    [first] = children.pids()
    for page in range(1, 100, 9):
        assert len(children.decode(path, "pdf", page, page + 8, FAST)) == 9
    assert children.pids() == [first]


def test_small_pages_go_out_together_and_pictures_by_themselves() -> None:
    words = [DecodedPage(number, 10, 20, 0, None, None) for number in range(1, 5)]
    picture = DecodedPage(5, 10, 20, 0, np.zeros((20, 10, 3), np.uint8), None)
    assert list(batches(iter(words), promptly=False)) == [words]
    assert list(batches(iter([*words, picture, *words]), promptly=False)) == [[*words, picture], words]
    assert list(batches(iter(words), promptly=True)) == [[word] for word in words]
    assert list(batches(iter(()), promptly=False)) == []


def test_what_has_taken_long_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folioscope.pipeline.decode.worker.ANSWER_SECONDS", 0.0)
    words = [DecodedPage(number, 10, 20, 0, None, None) for number in range(1, 4)]
    assert list(batches(iter(words), promptly=False)) == [[word] for word in words]


def test_a_killed_child_costs_nothing(children: DecodeChildren, tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 7)])
    children.decode(path, "pdf", 1, 1, FAST)
    for pid in children.pids():
        os.kill(pid, signal.SIGKILL)
    pages = children.decode(path, "pdf", 1, 6, FAST)
    assert [page.page_number for page in pages if isinstance(page, DecodedPage)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.guarantee(
    fault="decode child killed",
    moment="read",
    outcome="a page that crashes the decoder twice fails alone",
)
def test_a_page_that_crashes_the_decoder_costs_that_page(tmp_path: Path, make_pdf: Any, monkeypatch: Any) -> None:
    # The child imports a stand-in for the page decoder that dies on page 3, through its PYTHONPATH.
    stand_in = tmp_path / "site"
    stand_in.mkdir()
    (stand_in / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if sys.argv[:1] and 'worker' in ' '.join(sys.orig_argv):\n"
        "    import folioscope.pipeline.decode.pdf as pdf\n"
        "    real = pdf.decode_pdf_page\n"
        "    def dying(document, number, settings):\n"
        "        if number == 3:\n"
        "            os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        return real(document, number, settings)\n"
        "    pdf.decode_pdf_page = dying\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(stand_in))
    pool = DecodeChildren(1, ChildLimits())
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 6)])
    pages = pool.decode(path, "pdf", 1, 5, FAST, "a.pdf")
    pool.close()
    assert [page.page_number for page in pages] == [1, 2, 3, 4, 5]
    [failed] = [page for page in pages if isinstance(page, FailedSegment)]
    assert failed.page_number == 3
    assert failed.failure.reason is Reason.DECODE_CRASHED
    assert "a.pdf page 3" in failed.failure.message


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    import subprocess

    program = (
        "from folioscope.pipeline.decode.children import *; import time\n"
        "pool = DecodeChildren(1, ChildLimits()); pool.call(len, 'x')\n"
        "print(pool.pids()[0], flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until = time.monotonic() + 600
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        if "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()
    parent.stdout.close()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("page.pdf", b"<html><body>not a PDF</body></html>", Reason.TYPE_MISMATCH),
        ("video.pdf", b"\x00\x00\x00\x18ftypmp42" + b"\0" * 100, Reason.DAMAGED_FILE),
        ("truncated.pdf", b"%PDF-1.7\n1 0 obj\n<</Type/Catalog", Reason.DAMAGED_FILE),
        ("truncated.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Reason.DAMAGED_FILE),
    ],
)
def test_what_is_no_document_is_told(
    children: DecodeChildren, tmp_path: Path, name: str, content: bytes, reason: Reason
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Failure) as told:
        children.probe(tmp_path / name, name)
    assert told.value.reason is reason
    assert name in told.value.message


def test_passwords_are_tried_in_turn(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(
        tmp_path / "a.pdf", ["secret"], encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="sesame", owner_pw="x"
    )
    for passwords, opens in (((), False), (("wrong",), False), (("wrong", "sesame"), True)):
        pool = DecodeChildren(1, ChildLimits(), passwords)
        try:
            if opens:
                assert pool.probe(path, "a.pdf").page_count == 1
                [page] = pool.decode(path, "pdf", 1, 1, FAST)
                assert isinstance(page, DecodedPage)
            else:
                with pytest.raises(Failure) as told:
                    pool.probe(path, "a.pdf")
                assert told.value.reason is Reason.PASSWORD_REQUIRED
                assert "sesame" not in str(told.value)
        finally:
            pool.close()


def test_a_page_whose_layout_hangs_is_tried_again_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(self: Any, request: Any, answers: int, **_: Any) -> Any:
        asked.append((request.pages, request.settings.layout))
        for number in request.pages:
            if number == 2 and request.settings.layout == "full":
                raise ChildDiedError(Reason.DECODE_TIMEOUT, "took longer than 60 s")
            yield DecodedPage(number, 10, 10, 0, None, TextLayer("usable", "", (Block("text", f"page {number}"),)))

    monkeypatch.setattr(DecodeChild, "ask", ask)
    pages = DecodeChildren(1, ChildLimits()).decode(Path("a.pdf"), "pdf", 1, 3, DecodeSettings(layout="full"))
    layers = [page.layer for page in pages if isinstance(page, DecodedPage) and page.layer is not None]
    assert [layer.blocks[0].text for layer in layers] == ["page 1", "page 2", "page 3"]
    assert [layer.flags for layer in layers] == [(), ("layout_timeout",), ()]
    assert asked == [((1, 2, 3), "full"), ((2,), "fast"), ((3,), "full")]
