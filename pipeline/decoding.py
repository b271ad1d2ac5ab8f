"""How a run's configuration decides the decoding: settings that go into the recipe, limits that do not."""

from __future__ import annotations

import json
from dataclasses import replace

from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.child import ChildLimits
from folioscope.pipeline.decode.pages import DecodeSettings, Layout, Route
from folioscope.pipeline.decode.routing import RULES
from folioscope.pipeline.video.shots import ShotSettings
from folioscope.schemas.extras import require


def decode_settings(config: RunConfig, replica: ReplicaDescription) -> DecodeSettings:
    """What decides how pages and frames look to the replica, and which pages do not go to it."""
    route = None if replica.reads_layer else config.route
    reference = "none" if replica.reads_layer else config.reference  # what only copies and recognises needs no second
    return DecodeSettings(
        dpi=config.dpi,
        layout=_layout(config, route),
        render="always" if route == "model" else "when_needed",
        max_pixels=config.max_pixels,
        thumbnail_px=config.thumbnails,
        video_decoder=config.video_decoder,
        route=route,
        route_rules="" if route in (None, "model") else _rules(),
        reference=reference,
        reference_share=1.0 if reference in ("layer", "none") else config.reference_share,
        reference_reader="" if reference in ("layer", "none") else _ocr(),
    )


def _rules() -> str:
    """The version of the rules, and of the reader to whom they give pages."""
    return f"{RULES} {_ocr()}"


def _ocr() -> str:
    """What recognises pages in the decode children."""
    from folioscope.model.embedded.read import SETTINGS

    return json.dumps(SETTINGS, sort_keys=True)


def _layout(config: RunConfig, route: Route | None) -> Layout:
    """Rules that tell tables and figures want the network; a model that reads all pages compares words at most."""
    if route == "auto" and config.layout == "fast":
        return "auto"
    return "fast" if route == "model" else config.layout


def looking_settings(settings: DecodeSettings) -> DecodeSettings:
    """The same for a replica that looks at pages again: pictures of all of them, and nothing else."""
    seen = replace(settings, thumbnail_px=0, layout="fast", render="always", route=None, route_rules="")
    return replace(seen, reference="none", reference_reader="")


def shot_settings(config: RunConfig) -> ShotSettings:
    """How videos are cut into shots.

    Raises:
        MissingExtraError: what is to find them is not installed.
    """
    if config.shot_detector != "adaptive":
        require("shots", f"--shot-detector {config.shot_detector}")
    return ShotSettings(max_frames=config.max_frames_per_shot, detector=config.shot_detector)


def child_limits(config: RunConfig) -> ChildLimits:
    """What a decode child may use."""
    return ChildLimits(config.memory_mb << 20, config.seconds_per_page, config.seconds_per_file)


def plain_passwords(config: RunConfig) -> tuple[str, ...]:
    """The passwords to try, as decode children are given them."""
    return tuple(password.get_secret_value() for password in config.passwords)
