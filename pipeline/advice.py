"""What of a run comes to nothing: settings that the chosen model ignores, questions that nobody is asked, empty inputs.

Each is one warning, told before the work starts: silence would look like success.
"""

from __future__ import annotations

from collections.abc import Iterator

from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.config import SETTINGS, RunConfig
from folioscope.pipeline.storage.listing import ListingFacts
from folioscope.pipeline.storage.uris import redact
from folioscope.pipeline.tables.ledger import Ledger

WITHOUT_ENGINE = ("embedded", "fake")


def idle_settings(config: RunConfig, replica: ReplicaDescription) -> Iterator[str]:
    """Settings that were given and change nothing in this run."""
    given = config.model_fields_set
    if "answer" in config.tasks and not config.questions and "tasks" in given:
        yield "--tasks names answer, but there are no questions: give them with --questions"
    if config.questions and "answer" not in config.tasks:
        yield "--questions are given, but --tasks does not name answer: none is asked"
    if config.model in WITHOUT_ENGINE:
        for field in ("engine", "gpus_per_replica"):
            if field in given and getattr(config, field):
                yield f"{SETTINGS[field].names[0]} means nothing to --model {config.model}: it runs on CPUs by itself"
    if "layout" in given and not replica.reads_layer and config.route != "layer":
        why = "the rules need the layout network" if config.route == "auto" else "it reads the picture of each page"
        if config.route == "model" or config.layout == "fast":
            yield f"--layout {config.layout} means nothing to --model {config.model} with --route {config.route}: {why}"
    if "route" in given and replica.reads_layer:
        yield f"--route means nothing to --model {config.model}: it reads text layers and pictures alike"
    if config.price_per_replica_hour == 0:
        yield "--price-per-replica-hour is 0: every cost is 0"


def idle_listing(ledger: Ledger, facts: ListingFacts, config: RunConfig) -> Iterator[str]:
    """Inputs and questions that come to nothing. ``ledger`` holds ``listed`` of the plan."""
    if facts.output_is_input:
        yield f"the output {redact(config.output)} is an input, too: what lies under an output is never read"
    for uri in facts.empty_inputs:
        yield f"there is no file under {uri}; check the inputs"
    if facts.files and facts.nothing_to_read:
        kinds = ", ".join(config.kinds)
        types = ", ".join(f"{count:,} {suffix or 'without an ending'}" for suffix, count in facts.skipped_types)
        yield f"none of the {facts.files:,} files listed is of a kind that this run reads ({kinds}): {types}"
    yield from _unasked(ledger, config)


def _unasked(ledger: Ledger, config: RunConfig) -> Iterator[str]:
    """Questions whose glob matches no listed file."""
    open_ = [spec for spec in config.questions if config.asks and spec.assets is not None]
    if not open_:
        return
    reader = ledger.db.sql("SELECT uri FROM listed WHERE NOT skipped").to_arrow_reader(10_000)
    for batch in reader:
        uris = batch.column(0).to_pylist()
        open_ = [spec for spec in open_ if not any(map(spec.applies_to, uris))]
        if not open_:
            return
    for spec in open_:
        yield f"question {spec.id}: no file matches its assets {spec.assets}; it is not asked"
