"""Iceberg tables in a bucket: written through our own file systems, read back by PyIceberg from their URIs alone."""

from __future__ import annotations

from buckets import Bucket
from pyiceberg.table import StaticTable
from sample_rows import page

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.tables.part_files import write_part
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import to_table


def test_the_manifest_of_a_bucket_points_to_tables_that_read(bucket: Bucket) -> None:
    store = OutputStore(f"{bucket.uri}/tables")
    for number, run_id in enumerate(("run-1", "run-2"), start=1):
        publication = Publication(WorkArea(store, number), load_manifest(store), run_id)
        publication.keep_iceberg(None)
        path = f"_work/{number:06d}/parts/segments/{run_id}.parquet"
        publication.take("segments", write_part(store, "segments", path, to_table("segments", [page("A", number)])))
        publication.publish(lambda: None)
    iceberg = load_manifest(store).iceberg
    assert iceberg is not None
    assert iceberg.metadata["segments"].startswith(f"{bucket.uri}/tables/_iceberg/segments/metadata/")
    table = StaticTable.from_metadata(
        iceberg.metadata["segments"], {"py-io-impl": "folioscope.pipeline.storage.iceberg_io.StoreFileIO"}
    )
    assert sorted(table.scan().to_arrow()["segment"].to_pylist()) == [1, 2]
    assert table.metadata.refs.keys() == {"main", "run-1", "run-2"}
