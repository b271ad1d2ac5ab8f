"""Videos read by OCR: what stood on the screen, and when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from folioscope.model.embedded import frame_text
from folioscope.model.embedded import shots as reading
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.screen import Screen
from folioscope.model.protocol import Box, Frame, Reading, RgbImage, ShotInput

Words = Sequence[tuple[float, float, str]]  # (x, y, words) as shares of the frame
SIZE = (640, 360)


def drawn(words: Words, paper: str = "navy") -> RgbImage:
    image = Image.new("RGB", SIZE, paper)
    draw = ImageDraw.Draw(image)
    for x, y, text in words:
        draw.text((x * SIZE[0], y * SIZE[1]), text, fill="white", font=ImageFont.load_default(28))
    return np.asarray(image)


def shot(frames: Sequence[tuple[float, RgbImage]], number: int = 1) -> ShotInput:
    height, width = frames[0][1].shape[:2]
    return ShotInput(
        number, frames[0][0], frames[-1][0] + 1, width, height, tuple(Frame(time, image) for time, image in frames)
    )


def read_shot(given: ShotInput) -> Reading:
    return reading.read_shot(given, Screen())


TITLE = (0.1, 0.2, "The weir at Sallow")
LOWER_THIRD = (0.1, 0.8, "Ines Farrow, engineer")


def test_each_line_is_read_once_with_its_times_in_reading_order() -> None:
    frames = [(0.0, drawn([TITLE])), (1.0, drawn([LOWER_THIRD, TITLE])), (2.0, drawn([TITLE])), (3.0, drawn([]))]
    read = read_shot(shot(frames))
    assert [(block.text, block.start_s, block.end_s) for block in read.blocks] == [
        ("The weir at Sallow", 0.0, 2.0),
        ("Ines Farrow, engineer", 1.0, 1.0),
    ]
    assert read.text == "The weir at Sallow\n\nInes Farrow, engineer"
    assert (read.text_source, read.caption, read.flags) == ("model", None, ())
    box = read.blocks[1].bbox
    assert box is not None
    assert 0.05 < box.x0 < 0.15
    assert 0.75 < box.y0 < 0.9


def stood(since_s: float, until_s: float, words: Words) -> Frame:
    """A frame from the middle of the time in which its picture stood."""
    return Frame((since_s + until_s) / 2, drawn(words), since_s, until_s)


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines each frame that is looked at has read."""
    read: list[int] = []
    really = frame_text.read_text

    def reading_text(image: RgbImage, quads: frame_text.Quads) -> list[Line]:
        read.append(len(quads))
        return really(image, quads)

    monkeypatch.setattr(frame_text, "read_text", reading_text)
    return read


def test_lines_start_when_their_picture_appeared_and_each_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = counting(monkeypatch)
    full = stood(6.0, 9.0, [TITLE, (0.1, 0.4, "Built in 1911"), LOWER_THIRD])
    before = (stood(2.0, 4.0, [TITLE]), stood(4.0, 6.0, [TITLE, (0.1, 0.4, "Built in 1911")]))
    screen = Screen()
    first = reading.read_shot(ShotInput(1, 2.0, 9.0, *SIZE, (full,), before), screen)
    assert [(block.text, block.start_s, block.end_s) for block in first.blocks] == [
        ("The weir at Sallow", 2.0, 9.0),
        ("Built in 1911", 4.0, 9.0),
        ("Ines Farrow, engineer", 6.0, 9.0),
    ]
    assert read == [1, 1, 1]
    still = Frame(12.0, full.image, 9.0, 20.0)
    second = reading.read_shot(ShotInput(2, 9.0, 20.0, *SIZE, (still,)), screen)
    assert second.text == first.text
    assert {(block.start_s, block.end_s) for block in second.blocks} == {(9.0, 20.0)}
    assert read == [1, 1, 1], "a slide that stands on through a cut is not read again"


def test_a_line_that_is_typed_on_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = tuple(
        stood(float(n), n + 1.0, [(0.05, 0.3, text), (0.05, 0.8, "A line that stands")])
        for n, text in enumerate(["The weir", "The weir at Sallow", "The weir at Sallow in 1987"])
    )
    read = reading.read_shot(ShotInput(1, 0.0, 3.0, *SIZE, frames[-1:], frames[:-1]), Screen())
    assert sorted((block.text, block.start_s) for block in read.blocks) == [
        ("A line that stands", 0.0),
        ("The weir at Sallow in 1987", 0.0),
    ]


def test_a_frame_without_text_costs_a_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    likelihood = frame_text._likelihood

    def noting(picture: RgbImage, scale: float) -> NDArray[np.float32]:
        sides.append(round(max(picture.shape[:2]) * scale))
        return likelihood(picture, scale)

    monkeypatch.setattr(frame_text, "_likelihood", noting)
    slope = np.linspace(40, 210, SIZE[0])[None, :] + np.linspace(0, 40, SIZE[1])[:, None]
    assert len(frame_text.find_text(np.repeat(slope[:, :, None], 3, axis=2).astype(np.uint8))) == 0
    assert len(frame_text.find_text(drawn([TITLE]))) == 1
    assert sides[:2] == [480, 480]
    assert len(sides) == 3
    assert sides[2] < 960, "looked at more finely where there may be text, not all over"


def test_what_changes_beside_a_line_does_not_have_it_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read = counting(monkeypatch)
    line = (0.1, 0.5, "A line that stands")
    plain = drawn([line])
    box = Screen().look(plain)[1][0].box
    beside = plain.copy()
    beside[int(box.y1 * SIZE[1]) + 1 : int(box.y1 * SIZE[1]) + 12, 40:300] = (200, 30, 30)
    screen = Screen()
    screen.look(plain)
    kept, new = screen.look(beside)
    assert ([found.text for found in kept], new) == (["A line that stands"], [])
    assert sum(read) == 2, "once for each screen"
    kept, new = screen.look(drawn([(0.1, 0.5, "A line that stinks")]))
    assert [found.text for found in new] == ["A line that stinks"], "a letter or two in it are a change of it"
    assert kept == []


def test_a_counter_is_new_at_each_count_and_lines_that_roll_are_one() -> None:
    frames = [
        (float(n), drawn([(0.1, 0.1, f"Frame {n + 8}"), (0.2, 0.8 - 0.2 * n, "Directed by A. Bell")])) for n in range(3)
    ]
    read = read_shot(shot(frames))
    assert [block.text for block in read.blocks].count("Directed by A. Bell") == 1
    assert [block.text for block in read.blocks if "Frame" in block.text] == ["Frame 8", "Frame 9", "Frame 10"]


def test_frames_that_look_alike_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RgbImage] = []
    find = frame_text.find_text

    def finding(image: RgbImage, parts: Sequence[frame_text.Part] | None) -> frame_text.Quads:
        asked.append(image)
        return find(image, parts)

    monkeypatch.setattr(frame_text, "find_text", finding)
    still = drawn([(0.1, 0.1, "Frame 8")])
    noise = np.random.default_rng(1).integers(0, 4, still.shape, np.uint8)
    [block] = read_shot(shot([(0.0, still), (1.0, np.clip(still, 4, 250) + noise), (2.0, still)])).blocks
    assert (block.start_s, block.end_s, len(asked)) == (0.0, 2.0, 1)
    read_shot(shot([(0.0, still), (1.0, drawn([(0.1, 0.1, "Frame 9")]))]))
    assert len(asked) == 3, "one digit is enough of a difference"


def script(monkeypatch: pytest.MonkeyPatch, readings: Sequence[Sequence[Line]]) -> ShotInput:
    """A shot whose frames are read as told."""
    told = iter(readings)
    lines: list[Line] = []

    def find(image: RgbImage, parts: object) -> frame_text.Quads:
        lines[:] = next(told)
        boxes = [item.box for item in lines]
        corners = [[(b.x0, b.y0), (b.x1, b.y0), (b.x1, b.y1), (b.x0, b.y1)] for b in boxes]
        return np.asarray(corners, np.float64).reshape(-1, 4, 2) * (image.shape[1], image.shape[0])

    monkeypatch.setattr(frame_text, "find_text", find)
    monkeypatch.setattr(frame_text, "read_text", lambda image, quads: list(lines))
    shades = [np.full((90, 160, 3), 40 + 30 * n, np.uint8) for n in range(len(readings))]
    for shade in shades:
        shade[:20] = 0
    return shot([(float(n), shade) for n, shade in enumerate(shades)])


def line(text: str, confidence: float = 0.95, y: float = 0.5) -> Line:
    return Line(text, Box(0.1, y, 0.6, y + 0.1), confidence, False)


def test_rows_of_a_table_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [("Gauge", "Highest"), ("Hythe", "3.12 m"), ("Millbridge", "5.84 m")]
    grid = [
        Line(text, Box(0.1 + 0.4 * x, 0.3 + 0.1 * y, 0.1 + 0.4 * x + 0.02 * len(text), 0.36 + 0.1 * y), 0.9, False)
        for y, row in enumerate(cells)
        for x, text in enumerate(row)
    ]
    table = read_shot(script(monkeypatch, [[*reversed(grid), line("Highest water", y=0.1)]]))
    assert [(block.kind, block.text) for block in table.blocks] == [
        ("heading", "Highest water"),
        ("table", "<table><tr><td>Gauge</td><td>Highest</td></tr><tr><td>Hythe</td><td>3.12 m</td></tr>"
         "<tr><td>Millbridge</td><td>5.84 m</td></tr></table>"),
    ]  # fmt: skip
    prose = read_shot(script(monkeypatch, [[line("One line", y=0.1), line("Another line", y=0.3)]]))
    assert {block.kind for block in prose.blocks} == {"text"}


def test_the_surest_reading_wins_and_words_typed_on_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    fuzzy = script(monkeypatch, [[line("The weir at Sollow", 0.8)], [line("The weir at Sallow")]])
    assert read_shot(fuzzy).text == "The weir at Sallow"
    typed = script(monkeypatch, [[line("The weir")], [line("The weir at Sal")], [line("The weir at Sallow", 0.8)]])
    [block] = read_shot(typed).blocks
    assert (block.text, block.start_s, block.end_s) == ("The weir at Sallow", 0.0, 2.0)


def test_lines_that_roll_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["Written by Ada Renner", "Camera: Bram Okafor", "Music: Ines Farrow"]
    rolling = [
        [line(name, 0.9 + 0.02 * ((n + frame) % 3), 0.6 - 0.25 * frame + 0.12 * n) for n, name in enumerate(names)]
        for frame in range(3)
    ]
    read = read_shot(script(monkeypatch, rolling))
    assert [name for name in names if name in read.text] == names
    assert sorted(names, key=read.text.index) == names
    assert {(block.start_s, block.end_s) for block in read.blocks} == {(0.0, 2.0)}


def test_texture_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_shot(script(monkeypatch, [[line("lIl1", 0.62)], [line("=", 0.99, 0.2)]])).flags == ("no_words",)


def test_a_dark_shot_is_blank() -> None:
    read = read_shot(shot([(0.0, np.zeros((90, 160, 3), np.uint8)), (1.0, np.full((90, 160, 3), 9, np.uint8))]))
    assert (read.text, read.text_source, read.flags) == ("", "none", ("blank",))


@given(
    st.lists(
        st.lists(st.sampled_from(["Frame 8", "Frame 9", "The weir", "The weir at Sallow"]), max_size=3), max_size=5
    )
)
def test_no_line_of_any_frame_is_lost(frames: list[list[str]]) -> None:
    tracks: list[reading.Track] = []
    for time_s, texts in enumerate(frames):
        reading.assign(tracks, [line(text, y=0.2 * n) for n, text in enumerate(texts)], float(time_s))
    kept = [track.line.text for track in tracks]
    for texts in frames:
        assert all(any(other.startswith(text) for other in kept) for text in texts)
    assert sum(track.frames for track in tracks) == sum(map(len, frames))


def decoded(path: Path, times: Sequence[float]) -> ShotInput:
    """The first frames at or after these times, by PyAV."""
    import av

    wanted, frames = list(times), []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if wanted and frame.time is not None and frame.time >= wanted[0] - 1e-6:
                frames.append((float(frame.time), frame.to_ndarray(format="rgb24")))
                wanted.pop(0)
            if not wanted:
                break
    return shot(frames)


@pytest.mark.parametrize(
    ("name", "times", "words"),
    [
        ("PySceneDetect/tests/resources/counter.mp4", (0.0, 1.5, 2.9), ["Frame = 1 PTS = 0.0s", "Frame = 16 PTS = 1.5s", "Frame = 30 PTS = 2.9s"]),
        ("ExoPlayer/preroll-5s.mp4", (0.0, 2.0, 4.0), ["ExoPlayer ad test Preroll"]),
        ("ExoPlayer/midroll-5s.mp4", (0.0, 4.0), ["ExoPlayer ad test Midroll"]),
        ("PySceneDetect/tests/resources/testvideo.mp4", (2.0, 6.0), ["Copyright © 2013 Brandon Castellano www.bcastell.com"]),
    ],
)  # fmt: skip
def test_videos_of_the_corpus_are_read(corpus: Path, name: str, times: tuple[float, ...], words: list[str]) -> None:
    read = read_shot(decoded(corpus / "video" / name, times))
    assert [block.text for block in read.blocks] == words
    if name.endswith("counter.mp4"):
        assert [block.start_s for block in read.blocks] == pytest.approx(times)
