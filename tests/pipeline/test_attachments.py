"""Files inside a PDF are documents of their own: found, read, counted, replaced and deleted with what holds them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from PIL import Image
from runs import ask, prepare, run, touch

from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.evaluation.items import Item, Pages
from folioscope.pipeline.evaluation.media import MediaLoader
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.report.sharp import SharpLimits
from folioscope.pipeline.report.site import write_report
from folioscope.pipeline.run import Outcome
from folioscope.pipeline.stages import attachments
from folioscope.pipeline.storage.attachments import attachment_etag, attachment_uri, inside, listed_uri
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.accounting import Counts

pytestmark = pytest.mark.usefixtures("inline_actors", "own_cache")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr("folioscope.pipeline.storage.download_cache.default_cache_folder", lambda: folder)
    return folder


def pdf(words: str, **files: bytes) -> bytes:
    """A PDF of one page, with files attached; ``_`` in their names stands for the dot."""
    return pdf_of_pages([words], **files)


def pdf_of_pages(pages: list[str], **files: bytes) -> bytes:
    with pymupdf.open() as document:
        for words in pages:
            document.new_page().insert_text((72, 72), words)
        for name, data in files.items():
            document.embfile_add(name, data, filename=name.replace("_", "."))
        return bytes(document.tobytes(deflate=True))


def png() -> bytes:
    from io import BytesIO

    stream = BytesIO()
    Image.new("RGB", (80, 60), "white").save(stream, "PNG")
    return stream.getvalue()


def write(path: Path, data: bytes, day: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    touch(path, day)
    return path


def names(output: Path) -> dict[str, str]:
    """Status by path, without folders."""
    rows = ask(output, "SELECT regexp_replace(uri, '^.*/archive/', ''), status FROM assets ORDER BY 1")
    return dict(rows)


def balanced(outcome: Outcome) -> Outcome:
    assert outcome.accounting.balanced, outcome.accounting
    return outcome


def rerun_does_nothing(archive: Path, output: Path, **options: Any) -> None:
    before = ask(output, "SELECT * EXCLUDE (modified_at) FROM assets ORDER BY uri")
    again = balanced(run(archive, output, **options))
    assert again.accounting.assets.done == again.accounting.segments.done == again.accounting.summaries.done == 0
    assert ask(output, "SELECT * EXCLUDE (modified_at) FROM assets ORDER BY uri") == before
    assert prepare(archive, output, **options).preview().empty


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    held = {
        "a_pdf": pdf_of_pages(["The harbour opened in 1912.", "The second page."]),
        "b_pdf": pdf("The mole was built in 1920."),
        "c_png": png(),
        "d_zip": b"PK\3\4" + bytes(40),
    }
    write(folder / "cover.pdf", pdf("See what is attached.", **held))
    write(folder / "other.pdf", pdf("Nothing is attached."))
    return folder


def test_attached_files_are_read_beside_the_file_that_holds_them(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    question = QuestionSpec(id="when", question="When did the harbour open?")
    outcome = balanced(run(archive, output, questions=(question,)))
    assert outcome.accounting.assets == Counts(5, 5, 0, 0, 0)
    assert outcome.accounting.segments == Counts(6, 6, 0, 0, 0)
    assert outcome.accounting.summaries == outcome.accounting.answers == Counts(5, 5, 0, 0, 0)
    assert names(output) == {
        "cover.pdf": "done",
        "cover.pdf#attachment=1/a.pdf": "done",
        "cover.pdf#attachment=2/b.pdf": "done",
        "cover.pdf#attachment=3/c.png": "done",
        "other.pdf": "done",
    }
    [(parent, asset_id)] = ask(output, "SELECT uri, asset_id FROM assets WHERE uri LIKE '%cover.pdf'")
    inner = ask(output, "SELECT DISTINCT parent_uri, parent_asset_id FROM assets WHERE contains(uri, '#')")
    assert inner == [(parent, asset_id)]
    assert ask(output, "SELECT uri FROM pages WHERE text LIKE '%1912%'") == [(f"{parent}#attachment=1/a.pdf",)]
    [(told,)] = ask(output, "SELECT attachments FROM assets WHERE uri LIKE '%cover.pdf'")
    assert [(item["name"], item["kind"], item["reason"]) for item in told] == [
        ("a.pdf", "pdf", None),
        ("b.pdf", "pdf", None),
        ("c.png", "image", None),
        ("d.zip", None, "unsupported_type"),
    ]
    assert told[0]["uri"] == f"{parent}#attachment=1/a.pdf"
    [skipped] = outcome.problems.skipped
    assert (skipped.kind, skipped.count, skipped.endings, skipped.inside) == (None, 1, (".zip",), True)
    rerun_does_nothing(archive, output, questions=(question,))
    planned = prepare(archive, output, questions=(question,)).preview()
    assert planned.files.reused == 5
    assert planned.problems.skipped == outcome.problems.skipped


def test_whoever_opens_a_file_later_finds_it_inside_the_other(archive: Path, tmp_path: Path) -> None:
    """A report that draws its pages, a trial that has them read."""
    output = tmp_path / "out"
    run(archive, output)
    report = write_report(OutputStore(str(output)), OutputStore(str(tmp_path / "site")), 100, SharpLimits())
    assert report.sharp.kept == Counter()
    assert report.sharp.drawn == 5  # the attached picture is kept as large as it is
    [row] = ask(output, "SELECT uri, etag, size, asset_id FROM assets WHERE uri LIKE '%#attachment=1/%'")
    children = DecodeChildren(1, ChildLimits())
    try:
        part = Pages(row[0], 1, 1, etag=row[1], size=row[2], sha256=row[3])
        loader = MediaLoader(children, DecodeSettings(layout="fast"))
        [[page]] = loader.pages(Item("a", (part,), (), mode="read"))
    finally:
        children.close()
    assert isinstance(page, DecodedPage)


def test_no_copy_is_kept_outside_the_cache(archive: Path, tmp_path: Path, own_cache: Path) -> None:
    run(archive, tmp_path / "out")
    assert len([path for path in (own_cache / "files").rglob("*") if path.is_file()]) == 3
    assert not list((own_cache / "use").iterdir())


@pytest.mark.slow
def test_what_the_cache_has_lost_is_taken_out_again(archive: Path, tmp_path: Path, own_cache: Path) -> None:
    output = tmp_path / "out"
    balanced(run(archive, output, tasks=("read",)))
    for path in (own_cache / "files").rglob("*"):
        if path.is_file():
            path.unlink()
    again = balanced(run(archive, output, dpi=50, tasks=("read",)))
    assert again.accounting.segments == Counts(6, 6, 0, 0, 0)


def test_files_inside_attached_files_are_read_too(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    leaf = pdf("The innermost words.")
    write(archive / "a.pdf", pdf("Outer.", m_pdf=pdf("Middle.", l_pdf=leaf)))
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(3, 3, 0, 0, 0)
    innermost = "a.pdf#attachment=1/m.pdf#attachment=1/l.pdf"
    assert names(output)[innermost] == "done"
    [(parent,)] = ask(output, f"SELECT parent_uri FROM assets WHERE uri LIKE '%{innermost}'")
    assert parent.endswith("archive/a.pdf#attachment=1/m.pdf")
    rerun_does_nothing(archive, output)


def test_what_lies_too_deep_is_refused_and_told(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    data = pdf("5.")
    for depth in (4, 3, 2, 1, 0):
        data = pdf(f"{depth}.", n_pdf=data)
    write(archive / "deep.pdf", data)
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(5, 4, 0, 1, 0)
    [(uri, reason, message)] = ask(output, "SELECT uri, reason, message FROM failures")
    assert (uri.count("#attachment="), reason) == (4, "attachment_limit")
    assert "4 files deep" in message
    rerun_does_nothing(archive, output)


def test_more_files_than_are_taken_out_of_one_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    monkeypatch.setattr(attachments.FilesInside, "__init__", _few_files)
    write(archive / "many.pdf", pdf("Many.", **{f"n{number}_pdf": pdf(f"{number}.") for number in range(5)}))
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(4, 3, 0, 1, 0)
    [(told,)] = ask(output, "SELECT attachments FROM assets WHERE uri LIKE '%many.pdf'")
    assert [item["reason"] for item in told] == [None, None, None, "attachment_limit", "attachment_limit"]


def _few_files(found: attachments.FilesInside) -> None:
    found.rows, found.failures, found.refused = [], [], False
    found.files_left, found.bytes_left = 2, 1 << 20


def test_a_bomb_is_refused_and_its_neighbour_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    monkeypatch.setattr(attachments, "MAX_UNPACKED_BYTES", 1 << 20)
    write(archive / "a.pdf", pdf("Cover.", bomb_pdf=b"%PDF-1.7" + bytes(8 << 20), fine_pdf=pdf("Fine.")))
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(3, 2, 0, 1, 0)
    [(reason, message)] = ask(output, "SELECT reason, message FROM failures")
    assert reason == "attachment_limit"
    assert "1 MiB" in message
    assert [group.reason for group in outcome.problems.failures] == ["attachment_limit"]
    rerun_does_nothing(archive, output)


def test_files_attached_by_annotations_and_in_portfolios_are_found(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    with pymupdf.open() as document:
        page = document.new_page()
        page.add_file_annot((100, 100), pdf("On a pin."), "pinned.pdf")
        document.embfile_add("1", pdf("In the folder."), filename="Beleg Nr. 7/ä.pdf")
        xref = document.get_new_xref()
        document.update_object(xref, "<< /Type /Collection /View /T >>")
        document.xref_set_key(document.pdf_catalog(), "Collection", f"{xref} 0 R")
        write(archive / "portfolio.pdf", document.tobytes())
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(3, 3, 0, 0, 0)
    assert list(names(output)) == [
        "portfolio.pdf",
        "portfolio.pdf#attachment=1/Beleg%20Nr.%207%2F%C3%A4.pdf",
        "portfolio.pdf#attachment=2/pinned.pdf",
    ]
    rerun_does_nothing(archive, output)


def test_the_attachments_of_a_changed_file_are_replaced(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output)
    write(archive / "cover.pdf", pdf("Anew.", a_pdf=pdf_of_pages(["The harbour opened in 1912.", "The second page."]),
                                     b_pdf=pdf("The mole fell in 1931.")), day=2)  # fmt: skip
    assert prepare(archive, output).preview().files.changed == 1
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets.seen == 4
    assert names(output) == {
        "cover.pdf": "done",
        "cover.pdf#attachment=1/a.pdf": "done",
        "cover.pdf#attachment=2/b.pdf": "done",
        "cover.pdf#attachment=3/c.png": "deleted",
        "other.pdf": "done",
    }
    texts = ask(output, "SELECT text FROM pages WHERE contains(uri, '#')")
    assert any("1931" in text for (text,) in texts)
    assert not any("1920" in text for (text,) in texts)
    rerun_does_nothing(archive, output)


@pytest.mark.slow
def test_a_touched_file_has_nothing_read_again(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output)
    touch(archive / "cover.pdf", 9)
    again = balanced(run(archive, output))
    assert again.accounting.segments.done == 0
    assert set(names(output).values()) == {"done"}
    rerun_does_nothing(archive, output)


def test_the_attachments_of_a_removed_file_go_with_it(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output)
    (archive / "cover.pdf").unlink()
    planned = prepare(archive, output).preview()
    assert planned.files.deleted == 4
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets.seen == 1
    assert {name: status for name, status in names(output).items() if status != "deleted"} == {"other.pdf": "done"}
    assert not ask(output, "SELECT * FROM pages WHERE contains(uri, '#')")
    rerun_does_nothing(archive, output)


def test_another_folder_does_not_touch_them(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output)
    write(tmp_path / "second" / "x.pdf", pdf("Elsewhere."))
    balanced(run(tmp_path / "second", output))
    rerun_does_nothing(archive, output)


def test_a_run_that_dies_after_identifying_goes_on(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"

    class KilledError(BaseException):
        pass

    def die(*arguments: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("folioscope.pipeline.increments.Increment.units_to_read", die)
        with pytest.raises(KilledError):
            run(archive, output)
    assert prepare(archive, output).preview().known_pages == 6
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(5, 5, 0, 0, 0)
    assert outcome.accounting.segments == Counts(6, 6, 0, 0, 0)
    rerun_does_nothing(archive, output)


@pytest.mark.slow
def test_they_stay_with_their_file_over_small_increments(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for number in range(6):
        write(archive / f"more{number}.pdf", pdf(f"More {number}.", x_pdf=pdf(f"Attached to {number}.")))
    outcome = balanced(run(archive, output, increment_files=1))
    assert outcome.accounting.assets == Counts(17, 17, 0, 0, 0)
    rerun_does_nothing(archive, output, increment_files=1)
    again = balanced(run(archive, output, increment_files=1, dpi=50))
    assert again.accounting.assets == Counts(17, 17, 0, 0, 0)


def test_the_same_bytes_listed_and_attached_are_read_once(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    same = pdf("The same words.")
    write(archive / "a.pdf", pdf("Cover.", same_pdf=same))
    write(archive / "z.pdf", same)
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(3, 3, 0, 0, 0)
    assert outcome.accounting.segments.done == 2
    again = balanced(run(archive, output))
    assert again.accounting.assets == Counts(3, 0, 3, 0, 0)
    assert again.accounting.segments == Counts(2, 0, 2, 0, 0)
    (archive / "a.pdf").unlink()
    balanced(run(archive, output))
    assert len(ask(output, "SELECT * FROM pages")) == 1


def test_an_attachment_that_does_not_open_is_a_failure_of_its_own(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    with pymupdf.open("pdf", pdf("Secret.")) as document:
        locked = document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own")
    write(archive / "a.pdf", pdf("Cover.", bad_pdf=b"no PDF at all", locked_pdf=locked))
    outcome = balanced(run(archive, output))
    assert outcome.accounting.assets == Counts(3, 1, 0, 2, 0)
    failed = ask(output, "SELECT regexp_extract(uri, '[^/]*$'), reason FROM failures ORDER BY 1")
    assert failed == [("bad.pdf", "type_mismatch"), ("locked.pdf", "password_required")]
    rerun_does_nothing(archive, output)
    opened = balanced(run(archive, output, passwords=("open",)))
    assert opened.accounting.assets == Counts(3, 1, 1, 1, 0)
    assert ask(output, "SELECT reason FROM failures") == [("type_mismatch",)]


@pytest.mark.slow
def test_kinds_that_a_later_run_reads_are_taken_up_then(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = balanced(run(archive, output, kinds=("pdf",)))
    assert first.accounting.assets == Counts(4, 4, 0, 0, 0)
    rerun_does_nothing(archive, output, kinds=("pdf",))
    assert prepare(archive, output).preview().files.retried == 1
    second = balanced(run(archive, output))
    assert second.accounting.assets == Counts(5, 1, 4, 0, 0)
    narrower = balanced(run(archive, output, kinds=("pdf",)))
    assert narrower.accounting.assets.seen == 5
    rerun_does_nothing(archive, output)


def test_a_damaged_list_of_attachments_costs_no_page(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    with pymupdf.open("pdf", pdf("Words.", a_pdf=pdf("Inner."))) as document:
        document.xref_set_key(document.pdf_catalog(), "Names/EmbeddedFiles", "[ 1 2 (x) ]")
        write(archive / "a.pdf", document.tobytes())
    assert balanced(run(archive, output)).accounting.assets == Counts(1, 1, 0, 0, 0)


def test_path_and_etag_tell_where_an_attachment_stands() -> None:
    asset_id = "ab" * 32
    outer = SourceFile("s3://bucket/a b.pdf", 1234, '"e:1"', None)
    etag = attachment_etag(outer, asset_id)
    uri = attachment_uri(attachment_uri(outer.uri, 3, "re#port?.pdf"), 1, "ü.png")
    assert uri == "s3://bucket/a b.pdf#attachment=3/re%23port%3F.pdf#attachment=1/%C3%BC.png"
    place = inside(SourceFile(uri, 5, etag, None))
    assert place is not None
    assert (place.outer, place.outer_asset_id, place.numbers) == (outer, asset_id, (3, 1))
    assert listed_uri(uri) == outer.uri
    assert inside(outer) is None
    assert inside(SourceFile("odd#attachment=1/name.pdf", 5, "5-1", None)) is None
