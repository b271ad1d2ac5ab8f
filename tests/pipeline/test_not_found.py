"""Questions that find nothing in a file share one row of ``coverage``; readers, reuse and the accounting see each."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import ask, run
from sample_rows import answer, asset, evidence, publish
from test_publish import of_version

from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables import part_files
from folioscope.pipeline.tables.accounting import Counts, lost_rows
from folioscope.pipeline.tables.assets import upgraded
from folioscope.pipeline.tables.audit import audit, rebuild_state
from folioscope.pipeline.tables.commits import BlockCommit, Unit, read_records
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.tables.publish import Publication, read_published
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.coverage import coverage_rows, found_nothing, split
from folioscope.schemas.migrations import to_table

WHO = QuestionSpec(id="who", question="Who keeps the lighthouse?")
NOBODY = tuple(QuestionSpec(id=word, question=f"Where is the {word}?") for word in ("zebra", "yak"))
NOT_FOUND = {"answer": None, "answerable": False, "evidence": [], "score": None}


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    make_pdf(tmp_path / "in" / "a.pdf", ["The lighthouse is kept by nobody."])
    make_pdf(tmp_path / "in" / "b.pdf", ["Another letter."])
    return tmp_path / "in"


def silent(words: str) -> None:
    del words


@pytest.mark.usefixtures("inline_actors")
def test_what_is_not_found_is_one_row_a_file_and_asked_once(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run(archive, output, questions=(WHO, *NOBODY))
    assert first.accounting.answers == Counts(6, 6, 0, 0, 0)
    assert first.accounting.balanced
    store = OutputStore(str(output))
    found = read_published(store, first.manifest, "answers").to_pylist()
    assert [(row["uri"], row["question_id"]) for row in found] == [(f"{archive}/a.pdf", "who")]
    covered = {row["uri"]: row for row in read_published(store, first.manifest, "coverage").to_pylist()}
    assert covered[f"{archive}/a.pdf"]["question_ids"] == ["yak", "zebra"]
    assert covered[f"{archive}/b.pdf"]["question_ids"] == ["who", "yak", "zebra"]
    assert len(covered) == 2
    every = "SELECT uri[-5:], question_id, question, answerable FROM current_answers ORDER BY ALL"
    texts = {spec.id: spec.question for spec in (WHO, *NOBODY)}
    assert ask(output, every) == [
        (name, id_, texts[id_], name == "a.pdf" and id_ == "who")
        for name in ("a.pdf", "b.pdf")
        for id_ in ("who", "yak", "zebra")
    ]
    assert audit(store).sound

    again = run(archive, output, questions=(WHO, *NOBODY))
    assert again.accounting.answers == Counts(6, 0, 6, 0, 0)
    one_more = QuestionSpec(id="gnu", question="Where is the gnu?")
    more = run(archive, output, questions=(one_more, *NOBODY))
    assert more.accounting.answers == Counts(6, 2, 4, 0, 0)
    assert ask(output, "SELECT count(*) FROM current_answers WHERE NOT answerable AND question_id <> 'who'") == [(6,)]
    assert audit(store).sound
    rebuild_state(store, silent)
    assert audit(store).sound
    assert run(archive, output, questions=(one_more,)).accounting.answers == Counts(2, 0, 2, 0, 0)


def test_coverage_that_a_commit_lost_shows_in_the_accounting(tmp_path: Path) -> None:
    work = WorkArea(OutputStore(str(tmp_path)), 1)
    commit = BlockCommit(work, "understand", "block", "run-1")
    units = [Unit("answer", "A", "ask-1", question_id=id_) for id_ in ("who", "where")]
    rows = coverage_rows(answer("A", id_, "ask-1", **NOT_FOUND) for id_ in ("who", "where"))
    commit.add(units, {"coverage": rows})
    commit.flush()
    commit.add([Unit("answer", "B", "ask-1", question_id="who")], {})
    commit.flush()
    records = list(read_records(work.store, work.names("commits")))
    assert lost_rows(records[:1])["answers"] == 0
    assert lost_rows(records)["answers"] == 1


@given(
    st.lists(
        st.builds(
            answer,
            st.sampled_from("AB"),
            st.sampled_from(["who", "where"]),
            st.just("ask-1"),
            answer=st.sampled_from([None, "", "Nobody"]),
            answerable=st.booleans(),
            evidence=st.sampled_from([None, [], [evidence("Nobody")]]),
            reasoning=st.sampled_from([None, "", "Hm."]),
            run_id=st.sampled_from(["run-1", "run-2"]),
        ),
        max_size=8,
    )
)
def test_a_table_is_parted_as_its_rows_are(rows: list[dict[str, Any]]) -> None:
    kept, covered = split(to_table("answers", rows))
    nothing = [row for row in rows if found_nothing(row)]
    assert kept.num_rows + sum(map(len, covered["question_ids"].to_pylist())) == len(rows)
    assert covered.to_pylist() == coverage_rows(nothing)
    assert not any(map(found_nothing, kept.to_pylist()))


def test_answers_of_version_2_that_found_nothing_go_to_coverage(tmp_path: Path) -> None:
    ids = [f"{number:016x}" * 4 for number in range(20)]
    answers = [row for id_ in ids for row in (answer(id_, "who", "ask-1"), *nothing_found(id_))]
    publish(tmp_path, {"assets": [asset(f"{id_[-2:]}.pdf", id_, answer_recipe_ids=["ask-1", "ask-2"]) for id_ in ids]})
    store = OutputStore(str(tmp_path))
    manifest = load_manifest(store)
    old = of_version("answers", 2, answers)
    pq.write_table(old, tmp_path / "answers" / "old.parquet", row_group_size=7)
    manifest = manifest.with_table("answers", (part_files.DataFile("answers/old.parquet", old.num_rows, 1, 2),))
    work = WorkArea(store, 2)
    ledger = Ledger(manifest, work)
    publication = Publication(work, manifest, "run-2")
    publication.upgrade(partial(upgraded, ledger))
    after = publication.publish(lambda: None)
    ledger.close()
    found = read_published(store, after, "answers").to_pylist()
    assert [(row["asset_id"], row["question_id"]) for row in found] == [(id_, "who") for id_ in ids]
    (tmp_path / "views.sql").write_text((Path(__file__).parents[2] / "schemas" / "views.sql").read_text())
    told = "SELECT asset_id, uri, question_id, question, recipe_id, answerable FROM all_answers WHERE NOT answerable"
    assert sorted(ask(tmp_path, told)) == [
        (id_, f"{id_[-2:]}.pdf", question, f"What of {question}?", recipe, False)
        for id_ in ids
        for question, recipe in (("where", "ask-1"), ("why", "ask-2"))
    ]
    rebuild_state(store, silent)
    assert audit(store).sound


def nothing_found(id_: str) -> list[dict[str, Any]]:
    return [answer(id_, "where", "ask-1", **NOT_FOUND), answer(id_, "why", "ask-2", **NOT_FOUND)]
