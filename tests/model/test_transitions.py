"""The network of transitions: what it says does not depend on how frames are handed over, and its cuts are where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.transitions import COLUMNS, ROWS, SURE, WINDOW, TransitionNetwork
from folioscope.schemas.extras import MissingExtraError, installed


class Echo:
    """In the place of the network: gives back the value of each frame's first pixel, and notes what it was shown."""

    def __init__(self) -> None:
        self.shown: list[list[int]] = []

    def __call__(self, frames: Any) -> tuple[Any, None]:
        self.shown.append(frames[0, :, 0, 0, 0].tolist())
        return frames[:, :, 0, 0, :1].float(), None


def numbered(count: int) -> Any:
    frames = np.zeros((count, ROWS, COLUMNS, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(count) % 251
    return frames


@given(st.integers(0, 320), st.lists(st.integers(0, 130), max_size=12))
def test_each_frame_is_told_once_however_frames_are_handed_over(count: int, sizes: list[int]) -> None:
    pytest.importorskip("torch")
    frames, network = numbered(count), TransitionNetwork(Echo())
    for size in (*sizes, count):
        network.feed(frames[:size])
        frames = frames[size:]
    likely = network.finish()
    expected = 1 / (1 + np.exp(-(np.arange(count) % 251).astype(np.float64)))
    assert likely == pytest.approx(expected, abs=1e-6)


def test_windows_overlap_and_the_ends_are_repeated() -> None:
    pytest.importorskip("torch")
    echo = Echo()
    network = TransitionNetwork(echo)
    network.feed(numbered(120))
    network.finish()
    assert all(len(window) == WINDOW for window in echo.shown)
    assert echo.shown[0] == [0] * 25 + list(range(75))
    assert echo.shown[1] == list(range(25, 120)) + [119] * 5
    assert [window[25] for window in echo.shown] == [n * SURE for n in range(len(echo.shown))]


def test_a_missing_extra_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from folioscope.model import transitions
    from folioscope.schemas import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as error:
        transitions.load_model()
    assert str(error.value).count("\n") == 0
    assert "pip install 'folioscope[shots]'" in str(error.value)


@pytest.mark.skipif(not installed("shots"), reason="the extra shots is not installed")
def test_the_networks_cuts_are_those_of_the_video_whatever_the_spans(tmp_path: Path) -> None:
    import av

    from folioscope.model.transitions import load_model
    from folioscope.pipeline.decode.scan import scan_span
    from folioscope.pipeline.decode.video import Video
    from folioscope.pipeline.stages.transitions import with_transitions
    from folioscope.pipeline.tables.shot_lists import join_spans, read_scan, scan_bytes
    from folioscope.pipeline.video.features import FrameFeatures, ScannedSpan, SpanEnd, join_features
    from folioscope.pipeline.video.shots import ShotSettings, find_shots

    rng = np.random.default_rng(1)
    scenes = [rng.integers(0, 255, (9, 16, 3)).astype(np.float32) for _ in range(3)]
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "25"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(150):
            blend = min(1.0, max(0.0, (number - 90) / 20))  # the first cut is hard, the second a dissolve of 0.8 s
            picture = scenes[0] if number < 50 else (1 - blend) * scenes[1] + blend * scenes[2]
            image = np.kron(picture, np.ones((20, 20, 1), np.float32)).astype(np.uint8)
            image[60:80, 2 * (number % 100) : 2 * (number % 100) + 40] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))

    def span(start_s: float | None, end_s: float | None) -> ScannedSpan:
        *parts, end = scan_span(Video(path, "a.mp4"), start_s, end_s, miniatures=True)
        assert isinstance(end, SpanEnd)
        found = ScannedSpan(join_features([part for part in parts if isinstance(part, FrameFeatures)]), end)
        return read_scan(scan_bytes(found))

    model = load_model()
    starts = []
    for spans in ([span(None, None)], [span(None, 2.0), span(2.0, 4.0), span(4.0, None)]):
        told = with_transitions(spans, model)
        assert all(one.features.miniature is None for one in told)
        shots = find_shots(join_spans(told, 2.0, 6.0, "a.mp4"), ShotSettings(detector="transnetv2"))
        starts.append([shot.start_s for shot in shots])
    assert starts[0] == starts[1] == pytest.approx([0.0, 2.0, 4.0], abs=0.3)
    assert starts[0][1] == pytest.approx(2.0, abs=0.05), "the hard cut to the frame"
