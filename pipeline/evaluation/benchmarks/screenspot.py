"""ScreenSpot v2 and ScreenSpot-Pro: where on a screenshot to click. Right where the point lies in the target's box.

Prompts and the form of the answer (``pyautogui.click(x=…, y=…)``, shares of the picture) are those that Kimi-VL is
used with; both repositories' files as they are. The size of a picture is read from its header.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    BenchmarkDataError,
    ImageFile,
    Item,
    Mark,
    Text,
    needed,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.points import in_box
from folioscope.pipeline.evaluation.tables_in import Row, json_rows

TASK = (
    "You are a GUI agent. You are given a task and a screenshot of the screen. You need to perform pyautogui "
    "click/moveTo action to complete the task. The answer format is `pyautogui.click(x=?, y=?), x and y is necessary`"
)
INSTRUCTION = "Please complete the following tasks by clicking using `pyautogui.click`:\n{}"


def screenspot_v2_items(folder: Path) -> Iterator[Item]:
    """Boxes are x, y, width and height in pixels."""
    for path in _annotations(folder, "screenspot_*_v2.json", "ScreenSpot v2"):
        for row in json_rows(path):
            x, y, width, height = _box(row)
            image = needed(folder, "screenspotv2_image", "ScreenSpot v2") / row.text("img_filename")
            box = (x, y, x + width, y + height)
            yield _item(
                f"{path.stem}-{row.place}", image, box, row.text("instruction"), row.text("data_type"), path.stem
            )


def screenspot_pro_items(folder: Path) -> Iterator[Item]:
    """Boxes are x0, y0, x1, y1 in pixels."""
    for path in _annotations(folder, "annotations/*.json", "ScreenSpot-Pro"):
        for row in json_rows(path):
            image = needed(folder, "images", "ScreenSpot-Pro") / row.text("img_filename")
            group = row.text("group") or path.stem
            yield _item(row.text("id"), image, _box(row), row.text("instruction"), row.text("ui_type"), group)


def _annotations(folder: Path, pattern: str, title: str) -> list[Path]:
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise BenchmarkDataError(f"{title}: {folder} holds no {pattern}")
    return paths


def _box(row: Row) -> tuple[float, float, float, float]:
    value = row.cells.get("bbox")
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(side, int | float) for side in value):
        raise BenchmarkDataError(f"{row.path}: entry {row.place} has no bbox of four numbers")
    x0, y0, x1, y1 = (float(side) for side in value if isinstance(side, int | float))
    return x0, y0, x1, y1


def _item(
    item_id: str, image: Path, box: tuple[float, float, float, float], instruction: str, kind: str, group: str
) -> Item:
    try:
        with Image.open(image) as opened:
            width, height = opened.size
    except (OSError, UnidentifiedImageError) as error:
        raise BenchmarkDataError(f"{image} cannot be opened ({error})") from error
    shares = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    return Item(
        item_id,
        (Text(TASK), ImageFile(str(image)), Text(INSTRUCTION.format(instruction))),
        (json.dumps([*shares, width, height]),),
        question=instruction,
        kind=kind,
        group=group,
        cluster=image.name,
        max_new_tokens=128,
    )


def screenspot_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    x0, y0, x1, y1, width, height = json.loads(item.golds[0])
    return right_or_wrong(in_box(prediction, (x0, y0, x1, y1), int(width), int(height)))


SCREENSPOT_V2 = Benchmark(
    "screenspot-v2",
    "ScreenSpot-V2",
    "the hub's OS-Copilot/ScreenSpot-v2: `screenspot_{desktop,mobile,web}_v2.json` and `screenspotv2_image/`",
    screenspot_v2_items,
    screenspot_marks,
    percent_of(),
)
SCREENSPOT_PRO = Benchmark(
    "screenspot-pro",
    "ScreenSpot-Pro",
    "the hub's likaixin/ScreenSpot-Pro: `annotations/*.json` and `images/`",
    screenspot_pro_items,
    screenspot_marks,
    percent_of(),
)
