"""What one run is made of, all of it decided before it starts: configuration, replica, decode settings and recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from model.protocol import ReplicaDescription
from pipeline import plan, plan_films, plan_tasks
from pipeline.config import RunConfig
from pipeline.decode.children import ChildLimits
from pipeline.decode.pages import DecodeSettings
from pipeline.films import make_cut_recipe
from pipeline.ledger import Ledger
from pipeline.recipes import Recipes, make_recipes
from pipeline.rows import Provenance, new_run_id
from pipeline.shots import CutSettings


@dataclass(frozen=True, slots=True)
class RunSetup:
    """``cut`` and ``cut_recipe`` are None in a run over documents."""

    run_id: str
    config: RunConfig
    replica: ReplicaDescription
    settings: DecodeSettings
    cut: CutSettings | None
    cut_recipe: str | None
    recipes: Recipes

    @classmethod
    def of(cls, config: RunConfig, replica: ReplicaDescription) -> RunSetup:
        if config.gpus_per_replica is not None:
            replica = replace(replica, num_gpus=config.gpus_per_replica)
        settings = DecodeSettings(
            dpi=config.dpi,
            # Whoever reads the picture compares words with the layer at most: no layout network is run for that.
            layout=config.layout if replica.reads_layer else "fast",
            render="when_needed" if replica.reads_layer else "always",
            max_pixels=config.max_pixels,
            thumbnail_px=config.thumbnails,
            film_decoder=config.film_decoder,
        )
        cut = CutSettings(max_frames=config.max_frames_per_shot) if config.media == "films" else None
        cut_recipe = make_cut_recipe(cut) if cut is not None else None
        questions = {spec.id: spec.question for spec in (config.questions if config.asks else ())}
        run_id = new_run_id()
        recipes = make_recipes(replica, settings, questions, cut_recipe)
        return cls(run_id, config, replica, settings, cut, cut_recipe, recipes)

    @property
    def model(self) -> str:
        """Name and revision, as every row gives them."""
        return f"{self.replica.name}@{self.replica.revision}"

    def provenance(self, recipe_id: str) -> Provenance:
        return Provenance(recipe_id, self.run_id, self.model)

    def access(self) -> tuple[int, ChildLimits, tuple[str, ...]]:
        """What an actor needs to open files: the size limit in bytes, the children's limits, and the passwords."""
        config = self.config
        limits = ChildLimits(config.memory_mb << 20, config.seconds_per_page, config.seconds_per_file)
        passwords = tuple(password.get_secret_value() for password in config.passwords)
        return config.max_file_mb << 20, limits, passwords

    def resolve(self, ledger: Ledger) -> None:
        """Register what is known of the listed files by now: ``files``, ``documents``, ``shots`` and ``asked``."""
        plan_films.register_shots(ledger, self.cut_recipe)
        plan.resolve_files(ledger, self.config.kinds)
        plan_tasks.register_questions(ledger, self.config.questions if self.config.asks else (), self.recipes)
