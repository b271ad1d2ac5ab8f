"""Makes small benchmarks in the published layouts, out of drawn pictures and pages."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pymupdf
from PIL import Image, ImageDraw

SIZE = (320, 96)


def png(words: str) -> bytes:
    image = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(image).text((12, 36), words, fill="black")
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def save(path: Path, data: bytes | str | object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif isinstance(data, str):
        path.write_text(data, encoding="utf-8")
    else:
        path.write_text(json.dumps(data), encoding="utf-8")
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)


def tsv(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def pdf(path: Path, pages: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = pymupdf.open()
    for words in pages:
        page = document.new_page(width=420, height=300)
        for number, line in enumerate(words.splitlines()):
            page.insert_text((40, 60 + 26 * number), line, fontsize=16)
    document.save(path, no_new_id=True)
    document.close()
    return path


def coded(words: str) -> str:
    return base64.b64encode(png(words)).decode()


def picture(words: str) -> dict[str, Any]:
    return {"bytes": png(words), "path": None}


def choice_rows() -> list[dict[str, Any]]:
    rows = [
        {
            "index": number,
            "question": f'Which "word"\nis in picture {number}?',
            "hint": "" if number else "Look well.",
            "A": "meadow",
            "B": "ferry",
            "C": "weir" if number else "",
            "D": "",
            "answer": "AB"[number % 2],
            "category": "words",
            "image": coded("meadow"),
        }
        for number in range(4)
    ]
    rows[3]["image"] = "1"  # as in picture 1
    return rows


def make_choice(name: str) -> Callable[[Path], None]:
    return lambda folder: tsv(folder / name, choice_rows())


def make_mmbench(folder: Path) -> None:
    turned = [{**row, "index": row["index"] + 1_000_000, "A": row["B"], "B": row["A"]} for row in choice_rows()]
    for row in turned:
        row["answer"] = {"A": "B", "B": "A"}[row["answer"]]
        row["image"] = "1" if row["index"] == 1_000_003 else str(row["index"] - 1_000_000)
    tsv(folder / "MMBench_DEV_EN_V11.tsv", choice_rows() + turned)


def make_blink(folder: Path) -> None:
    rows = choice_rows()
    rows[0]["image"] = str([coded("one"), coded("two")])
    tsv(folder / "BLINK.tsv", rows)


def make_mmmu(folder: Path) -> None:
    common = {"image_1": picture("first"), "image_2": picture("second")}
    rows = [
        {
            "id": "validation_Art_1",
            "question": "Is <image 1> before <image 2>?",
            "options": "['yes', 'no']",
            "answer": "A",
            "question_type": "multiple-choice",
            **common,
        },
        {
            "id": "validation_Art_2",
            "question": "How many words are in <image 1>?",
            "options": "[]",
            "answer": "1",
            "question_type": "open",
            **common,
        },
        {
            "id": "validation_Art_3",
            "question": "<image 2> says",
            "options": "['first', 'second']",
            "answer": "B",
            "question_type": "multiple-choice",
            **common,
        },
    ]
    parquet(folder / "Art" / "validation-00000-of-00001.parquet", rows)


def make_videommmu(folder: Path) -> None:
    row = {"id": "validation_Art_1", "question": "What is shown?", "options": ["a", "b"], "answer": "B"}
    for track in ("Perception", "Comprehension", "Adaptation"):
        parquet(folder / track / "test.parquet", [{**row, "question_type": "multiple-choice"}])


def make_mmvu(folder: Path) -> None:
    choices = {"A": "a", "B": "b", "C": "c", "D": "d", "E": "e"}
    url = "https://example.org/videos/Art/1.mp4"
    common = {"question": "What?", "video": url}
    entries = [
        {"id": "val_0", "choices": choices, "answer": "A", "question_type": "multiple-choice", **common},
        {"id": "val_1", "choices": dict.fromkeys(choices, ""), "answer": "x", "question_type": "open-ended", **common},
    ]
    save(folder / "validation.json", entries)


def make_mmvet(folder: Path) -> None:
    save(folder / "images/a.png", png("x"))
    entry = {"imagename": "a.png", "question": "What?", "answer": "-1 <AND> -5", "capability": ["math", "ocr"]}
    save(folder / "mm-vet.json", {"v1_0": entry})


def make_mathvista(folder: Path) -> None:
    row = {"pid": "1", "question": "How many?", "query": "Hint: …\nQuestion: How many?", "decoded_image": picture("x")}
    more = {"choices": None, "precision": None, "answer": "14", "answer_type": "integer", "question_type": "free_form"}
    parquet(folder / "data/testmini-00000.parquet", [{**row, **more}])


def make_mathvision(folder: Path) -> None:
    row = {"id": "1", "question": "How many? <image1>", "options": ["1", "2"], "decoded_image": picture("x")}
    parquet(folder / "data/test-00000.parquet", [{**row, "answer": "B", "subject": "algebra"}])


def make_infovqa(folder: Path) -> None:
    save(folder / "infographicsvqa_images/a.jpeg", png("meadow"))
    entry = {"questionId": 1, "question": "What?", "image_local_name": "a.jpeg", "answers": ["meadow"]}
    save(folder / "infographicsVQA_val_v1.0_withQT.json", {"data": [entry]})


def make_ocrbench(folder: Path) -> None:
    entries = []
    for number, word in enumerate(("meadow", "ferry", "weir", "river")):
        save(folder / f"OCRBench_Images/{number}.png", png(word))
        entry = {"id": number, "question": "Read the text.", "image_path": f"{number}.png", "answers": [word]}
        entries.append({**entry, "dataset_name": "IIIT5K", "type": "Regular Text Recognition"})
    save(folder / "OCRBench/OCRBench.json", entries)


def make_screenspot_v2(folder: Path) -> None:
    save(folder / "screenspotv2_image/a.png", png("x"))
    entry = {"img_filename": "a.png", "bbox": [32, 24, 64, 48], "instruction": "press x", "data_type": "text"}
    save(folder / "screenspot_web_v2.json", [entry])


def make_screenspot_pro(folder: Path) -> None:
    save(folder / "images/a.png", png("x"))
    entry = {"id": "a", "img_filename": "a.png", "bbox": [32, 24, 96, 72], "instruction": "press x", "ui_type": "icon"}
    save(folder / "annotations/cad.json", [{**entry, "group": "CAD"}])


def make_mmlongbench_doc(folder: Path) -> None:
    pdf(folder / "documents/a.pdf", ["The meadow is let\nfor nine shillings.", "The ferry rests on Sunday."])
    common = {"doc_id": "a.pdf", "doc_type": "Letter", "evidence_pages": "[1]", "evidence_sources": "['Text']"}
    entries = [
        {"question": "For how much is the meadow let?", "answer": "nine shillings", "answer_format": "Str", **common},
        {"question": "What does a zebra cost?", "answer": "Not answerable", "answer_format": "None", **common},
    ]
    save(folder / "samples.json", entries)


def make_video_mme(folder: Path) -> None:
    options = ["A. a", "B. b", "C. c", "D. d"]
    row = {"videoID": "v", "question_id": "001-1", "question": "What?", "options": options, "answer": "B"}
    parquet(folder / "videomme/test-00000.parquet", [{**row, "duration": "short", "task_type": "OCR"}])
    save(folder / "data/v.mp4", b"")
    save(folder / "subtitle/v.srt", "1\n00:00:01,000 --> 00:00:02,500\n<font>A &amp; B</font>\n")


def make_mlvu(folder: Path) -> None:
    entry = {"video": "a.mp4", "question": "What?", "candidates": ["x", "y"], "answer": "y"}
    save(folder / "json/1_plotQA.json", [entry])
    save(folder / "json/8_sub_scene.json", [{"video": "a.mp4", "question": "Tell.", "answer": "free"}])


def make_longvideobench(folder: Path) -> None:
    entry = {"id": "a_0", "video_id": "a", "video_path": "a.mp4", "question": "What?", "candidates": ["x", "y", "z"]}
    more = {"correct_choice": 2, "duration": 12.5, "duration_group": 15, "question_category": "S2E"}
    told = {"subtitle_path": "a_en.json", "starting_timestamp_for_subtitles": 3.0}
    save(folder / "lvb_val.json", [{**entry, **more, **told}])


def make_egoschema(folder: Path) -> None:
    options = {f"option {number}": f"C does {number}" for number in range(5)}
    save(folder / "questions.json", [{"q_uid": uid, "question": "What?", **options} for uid in ("a", "b")])
    save(folder / "subset_answers.json", {"b": 3})


def make_vsi_bench(folder: Path) -> None:
    common = {"dataset": "scannet", "scene_name": "s1", "question": "How far?"}
    lines = [
        {"id": 1, "question_type": "object_abs_distance", "ground_truth": "2.5", "options": None, **common},
        {"id": 2, "question_type": "object_rel_direction_easy", "ground_truth": "A", "options": ["A. left"], **common},
    ]
    save(folder / "test.jsonl", "\n".join(map(json.dumps, lines)))


def make_tomato(folder: Path) -> None:
    entry = {"question": "How many?", "options": ["2", "1"], "answer": 1, "key": "0209", "demonstration_type": "human"}
    save(folder / "data/count.json", {"0": entry})


def make_olmocr_bench(folder: Path) -> None:
    pdf(folder / "pdfs/old/a.pdf", ["The meadow is let\nfor nine shillings.", "The ferry rests."])
    tests = [
        {
            "pdf": "old/a.pdf",
            "page": 1,
            "id": "1",
            "type": "present",
            "text": "meadow is let",
            "max_diffs": 1,
            "url": None,
        },
        {"pdf": "old/a.pdf", "page": 2, "id": "2", "type": "absent", "text": "meadow"},
        {"pdf": "old/a.pdf", "page": 1, "id": "3", "type": "math", "math": "x^2"},
    ]
    save(folder / "text.jsonl", "\n".join(map(json.dumps, tests)))


def make_page_truth(json_name: str, images: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        save(folder / images / "a.png", png("meadow ferry"))
        blocks = [
            {"category_type": "text_block", "text": "meadow ", "order": 2, "anno_id": 1},
            {"category_type": "text_block", "text": "ferry", "order": 3, "anno_id": 2},
            {"category_type": "title", "text": "Letter", "order": 1, "anno_id": 3},
            {"category_type": "table", "html": "<table></table>", "order": 4, "anno_id": 4},
            {"category_type": "equation_isolated", "latex": "$$\nx\n$$", "order": 5, "anno_id": 5},
            {"category_type": "abandon", "order": None, "anno_id": 6},
        ]
        relation = {"relation_type": "truncated", "source_anno_id": 1, "target_anno_id": 2}
        info = {"image_path": "a.png", "page_attribute": {"language": "english"}}
        save(folder / json_name, [{"layout_dets": blocks, "extra": {"relation": [relation]}, "page_info": info}])

    return make


def make_readoc(folder: Path) -> None:
    pdf(folder / "github/pdf/1.pdf", ["Read me"])
    save(folder / "github/markdown/1.md", "# Read me\n")


def make_kitab(folder: Path) -> None:
    pdf(folder / "pdfs/pdf1.pdf", ["Words"])
    save(folder / "labels/pdf1.md", "Words\n<table><tr><td>1</td></tr></table>")


def make_icdar(folder: Path) -> None:
    pdf(folder / "us/us-001.pdf", ["Words"])
    cells = "".join(
        f'<cell start-row="{row}" start-col="{column}"><content>{row}{column}</content></cell>'
        for row in range(2)
        for column in range(2)
    )
    table = f'<document><table><region page="1">{cells}</region></table></document>'
    save(folder / "us/us-001-str.xml", table)


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "mmmu-val": make_mmmu,
    "videommmu": make_videommmu,
    "mmvu": make_mmvu,
    "mmbench-en-v1.1": make_mmbench,
    "mmstar": make_choice("MMStar.tsv"),
    "ai2d": make_choice("AI2D_TEST.tsv"),
    "blink": make_blink,
    "realworldqa": make_choice("RealWorldQA.tsv"),
    "mmvet": make_mmvet,
    "mathvista": make_mathvista,
    "mathvision": make_mathvision,
    "infovqa": make_infovqa,
    "ocrbench": make_ocrbench,
    "screenspot-v2": make_screenspot_v2,
    "screenspot-pro": make_screenspot_pro,
    "mmlongbench-doc": make_mmlongbench_doc,
    "video-mme": make_video_mme,
    "video-mme-subtitled": make_video_mme,
    "mlvu-mcq": make_mlvu,
    "longvideobench": make_longvideobench,
    "egoschema": make_egoschema,
    "vsi-bench": make_vsi_bench,
    "tomato": make_tomato,
    "olmocr-bench": make_olmocr_bench,
    "omnidocbench": make_page_truth("OmniDocBench.json", "images"),
    "mdpbench": make_page_truth("MDPBench_public.json", "MDPBench_img_public"),
    "readoc": make_readoc,
    "kitab-pdfs": make_kitab,
    "icdar-2013": make_icdar,
}
