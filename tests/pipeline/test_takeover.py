"""A dead run's actors may commit once more: a run counts what was there when it began, and what it commits itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs import ask, run

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.takeover import NOTE, inherited_commits, take_over

pytestmark = pytest.mark.usefixtures("inline_actors")
DOCUMENTS, PAGES = 4, 6
ROWS = "SELECT asset_id, segment, text FROM all_segments ORDER BY ALL"


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    for number in range(DOCUMENTS):
        make_pdf(tmp_path / "in" / f"{number}.pdf", [f"Document {number}, page {page}." for page in range(PAGES)])
    return tmp_path / "in"


def dies_at_its_end(archive: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A run that dies before it publishes; returns the records of what it has read."""

    def dying(*_: Any) -> None:
        raise MemoryError

    before = set(output.rglob("_work/*/commits/*/read/*/*.json"))
    with monkeypatch.context() as patch:
        patch.setattr(Publication, "publish", dying)
        with pytest.raises(MemoryError):
            run(archive, output)
    return sorted(set(output.rglob("_work/*/commits/*/read/*/*.json")) - before)


@pytest.mark.guarantee(
    fault="driver killed",
    moment="read",
    outcome="an actor that outlives its driver and commits what the next run reads too: its rows count for nothing",
)
def test_what_a_dead_runs_actor_commits_later_counts_for_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    run(archive, tmp_path / "calm")
    first = dies_at_its_end(archive, output, monkeypatch)
    late = {path: path.read_bytes() for path in first[len(first) // 2 :]}
    for path in late:
        path.unlink()
    assert dies_at_its_end(archive, output, monkeypatch), "the second run read nothing"
    for path, data in late.items():
        path.write_bytes(data)

    outcome = run(archive, output)
    assert outcome.accounting.balanced
    assert outcome.accounting.segments.reused == outcome.accounting.segments.seen == DOCUMENTS * PAGES
    assert ask(output, ROWS) == ask(tmp_path / "calm", ROWS)
    assert audit(OutputStore(str(output))).sound


def test_each_run_goes_by_the_note_of_the_one_before(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))

    def commit(run_id: str, generation: int = 2) -> str:
        name = f"_work/{generation:06d}/commits/{run_id}/read/block/{len(list(tmp_path.rglob('*.json'))):06d}.json"
        store.write(name, b"")
        return name

    published, of_an_older_version = commit("a", 1), "_work/000002/commits/read/block/000000.json"
    store.write(of_an_older_version, b"")
    assert take_over(store, 1, "a").inherited == (of_an_older_version,)
    assert not store.exists(published)
    first = commit("a")
    assert set(take_over(store, 1, "b").inherited) == {first, of_an_older_version}
    late, second = commit("a"), commit("b")
    expected = {first, second, of_an_older_version}
    assert set(inherited_commits(store, 1, "c").inherited) == expected
    assert set(take_over(store, 1, "c").inherited) == expected
    assert store.exists(late)
    commit("a"), commit("b")
    assert set(take_over(store, 1, "d").inherited) == expected
    assert inherited_commits(store, 2, "e").inherited == ()
    assert store.exists(NOTE)
