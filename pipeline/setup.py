"""What one run is made of, all of it decided before it starts: configuration, replica, decode settings and recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from folioscope.model.protocol import ReplicaDescription
from folioscope.model.speech.interface import SpeechModel
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decoding import child_limits, decode_settings, plain_passwords, shot_settings
from folioscope.pipeline.planning import files as plan
from folioscope.pipeline.planning import tasks as plan_tasks
from folioscope.pipeline.planning import videos as plan_videos
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.canary import CanaryJob, StopRecords
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.recipes import Recipes, make_recipes, make_speech_recipe
from folioscope.pipeline.tables.rows import Provenance, new_run_id
from folioscope.pipeline.tables.shot_lists import make_shots_recipe
from folioscope.pipeline.video.shots import ShotSettings


@dataclass(frozen=True, slots=True)
class RunSetup:
    """``cut`` and ``shots_recipe`` are None in a run that reads no videos, ``speech`` where nobody listens."""

    run_id: str
    config: RunConfig
    replica: ReplicaDescription
    settings: DecodeSettings
    cut: ShotSettings | None
    shots_recipe: str | None
    recipes: Recipes
    speech: SpeechModel | None = None

    @classmethod
    def of(cls, config: RunConfig, replica: ReplicaDescription, speech: SpeechModel | None = None) -> RunSetup:
        if config.gpus_per_replica is not None:
            replica = replace(replica, num_gpus=config.gpus_per_replica)
        settings = decode_settings(config, replica)
        shots = shot_settings(config)
        shots_recipe = make_shots_recipe(shots)
        questions = {spec.id: spec.question for spec in (config.questions if config.asks else ())}
        run_id = new_run_id()
        recipes = make_recipes(replica, settings, questions, shots_recipe)
        if not config.watches:
            return cls(run_id, config, replica, settings, None, None, recipes)
        return cls(run_id, config, replica, settings, shots, shots_recipe, recipes, speech)

    @property
    def speech_recipe(self) -> str | None:
        """What decides a transcript; None where nobody listens."""
        return None if self.speech is None else make_speech_recipe(self.speech)

    @property
    def model(self) -> str:
        """Name and revision, as every row gives them."""
        return f"{self.replica.name}@{self.replica.revision}"

    @property
    def has_canary(self) -> bool:
        """Whether the model is tried on pages of known text: one that looks at pages is, unless that is turned off."""
        return not self.replica.reads_layer and self.config.canary_minutes > 0

    def canary(self, store: OutputStore, stop: StopSignal | None) -> CanaryJob | None:
        """How actors try their model; ``stop`` is what the last of them may set."""
        if not self.has_canary or stop is None:
            return None
        config, records = self.config, StopRecords(store, self.run_id)
        return CanaryJob(config.canary_minutes, config.canary_limit, config.seconds_per_read, records, stop)

    def provenance(self, recipe_id: str) -> Provenance:
        return Provenance(recipe_id, self.run_id, self.model)

    def files(self) -> FileAccess:
        """What an actor needs to open files."""
        config = self.config
        return FileAccess(
            DownloadCache(max_bytes=int(config.cache_gb * 2**30)),
            config.max_file_mb << 20,
            child_limits(config),
            plain_passwords(config),
        )

    def resolve(self, ledger: Ledger) -> None:
        """Register what is known of the listed files by now: ``files``, ``documents``, ``shots`` and ``asked``."""
        plan_videos.register_shots(ledger, self.shots_recipe, self.speech_recipe)
        plan.resolve_files(ledger, self.config.kinds, self.speech_recipe)
        plan_tasks.register_questions(ledger, self.config.questions if self.config.asks else (), self.recipes)
