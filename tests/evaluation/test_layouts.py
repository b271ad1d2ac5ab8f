"""Every benchmark is read from a folder in its published layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import LAYOUTS, SIZE

from folioscope.pipeline.evaluation.catalogue import BENCHMARKS
from folioscope.pipeline.evaluation.evaluate import load_items
from folioscope.pipeline.evaluation.item_rows import of_row, to_table
from folioscope.pipeline.evaluation.items import BenchmarkDataError, Frames, ImageCell, ImageFile, Item, Pages, Text
from folioscope.pipeline.evaluation.media import MediaLoader

ITEMS = {
    "mmbench-en-v1.1": 8,
    "mmmu-val": 3,
    "videommmu": 3,
    "mmvu": 2,
    "mmstar": 4,
    "ai2d": 4,
    "blink": 4,
    "realworldqa": 4,
    "ocrbench": 4,
    "mmlongbench-doc": 2,
    "vsi-bench": 2,
    "olmocr-bench": 2,
}


def items_of(name: str, folder: Path) -> list[Item]:
    LAYOUTS[name](folder)
    return load_items(BENCHMARKS[name], folder)


def test_every_benchmark_has_a_layout() -> None:
    assert set(LAYOUTS) == set(BENCHMARKS)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_items_are_read_and_travel_as_rows(name: str, tmp_path: Path) -> None:
    items = items_of(name, tmp_path)
    assert len(items) == ITEMS.get(name, 1)
    for item, row in zip(items, to_table(items).to_pylist(), strict=True):
        there = of_row(row)
        assert there.key == item.key
        assert there.parts == item.parts
        assert not there.golds
        assert item.golds
        assert item.mode == "read" or any(isinstance(part, Text) for part in item.parts)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_folder_without_the_data_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkDataError) as told:
        load_items(BENCHMARKS[name], tmp_path)
    assert str(tmp_path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "name",
    ["mmstar", "mmbench-en-v1.1", "blink", "mmmu-val", "mathvista", "mathvision", "mmvet", "infovqa", "screenspot-pro"],
)
def test_pictures_are_found_where_the_layout_has_them(name: str, tmp_path: Path) -> None:
    loader = MediaLoader(None, None)  # type: ignore[arg-type]  neither pages nor frames are wanted
    for item in items_of(name, tmp_path):
        shown = loader.shown(item)
        pictures = [one for one in shown if not isinstance(one, str)]
        wanted = sum(isinstance(part, ImageCell | ImageFile) for part in item.parts)
        assert len(pictures) == wanted >= 1
        assert all(one.shape == (SIZE[1], SIZE[0], 3) for one in pictures)


def test_prompts_are_the_official_ones(tmp_path: Path) -> None:
    first, *_ = items_of("mmstar", tmp_path / "a")
    assert first.parts[-1] == Text(
        'Hint: Look well.\nQuestion: Which "word"\nis in picture 0?\nOptions:\nA. meadow\nB. ferry\n'
        "Please select the correct answer from the options above. \n"
    )
    first, second, third = items_of("mmmu-val", tmp_path / "b")
    assert [part.text for part in first.parts if isinstance(part, Text)] == [
        "Is ",
        " before ",
        "?\n\n(A) yes\n(B) no\n\n\nAnswer with the option's letter from the given choices directly.",
    ]
    assert isinstance(second.parts[-1], Text)
    assert second.parts[-1].text.endswith("Answer the question using a single word or phrase.")
    assert isinstance(third.parts[0], ImageCell)
    assert (third.parts[0].column, third.parts[0].place) == ("image_2", 2)


def test_rotated_questions_are_one_cluster(tmp_path: Path) -> None:
    clusters = [item.cluster for item in items_of("mmbench-en-v1.1", tmp_path)]
    assert clusters == ["0", "1", "2", "3"] * 2


def test_video_items_say_which_frames_and_lines(tmp_path: Path) -> None:
    [item] = items_of("longvideobench", tmp_path / "a")
    assert isinstance(item.parts[0], Frames)
    assert (item.parts[0].sampling, item.parts[0].interleaved, item.parts[0].subtitle_start_s) == ("start", True, 3.0)
    assert item.golds == ("C",)
    [plain] = items_of("video-mme", tmp_path / "b")
    [subtitled] = items_of("video-mme-subtitled", tmp_path / "b")
    assert isinstance(plain.parts[0], Frames)
    assert isinstance(subtitled.parts[0], Frames)
    assert plain.parts[0].subtitles is None
    assert subtitled.parts[0].subtitles == str(tmp_path / "b/subtitle/v.srt")
    assert plain.key != subtitled.key


def test_only_answered_questions_of_egoschema_are_items(tmp_path: Path) -> None:
    [item] = items_of("egoschema", tmp_path)
    assert (item.item_id, item.golds) == ("b", ("D",))


def test_documents_are_shown_up_to_120_pages(tmp_path: Path) -> None:
    item, _ = items_of("mmlongbench-doc", tmp_path)
    assert item.parts[0] == Pages(str(tmp_path / "documents/a.pdf"), most=120)


def test_text_that_goes_on_in_another_block_is_one_block(tmp_path: Path) -> None:
    [item] = items_of("omnidocbench", tmp_path)
    assert item.golds == (
        '[["title", "Letter", 1], ["text_block", "meadow ferry", 2], ["table", "<table></table>", 4], '
        '["formula", "\\nx\\n", 5]]',
    )


def test_the_docs_say_of_each_benchmark_how_its_folder_lies() -> None:
    told = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text()
    for benchmark in BENCHMARKS.values():
        assert f"| `{benchmark.name}` | {benchmark.layout} |" in told, benchmark.name
