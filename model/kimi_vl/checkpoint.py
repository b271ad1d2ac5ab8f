"""Checkpoints: which tensors a Kimi-VL directory must hold, and streaming them from anywhere onto a device.

Headers are read first and compared with the model, name by name and shape by shape, so that a wrong or truncated
checkpoint is refused within seconds and with a list. Then ranges of tensors are read from the shards, several at once,
since one stream from a store fills no network, and copied into the model's memory: beside the model itself a load needs
room for five ranges of 64 MB, or of 671 MB where one is the published embedding. Experts, apart in the files, are laid
into the stacked tensors of ``experts.py`` on the way. Spec §2.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from folioscope.model.kimi_vl.configuration import KimiVLConfig

Model = TypeVar("Model", bound=PreTrainedModel)  # the class of kimi_vl.modeling, which loads itself by this module
READERS = 4  # ranges on the way at once
RANGE_BYTES = 64 << 20
INDEX_FILE = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"
IGNORABLE = re.compile(r"rotary_emb\.inv_freq$")  # a stray buffer of the published files: angles are computed
_STACKED = re.compile(r"(.*\.mlp\.experts)\.(gate_up_proj|down_proj)$")
_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
_MOST_HEADER = 100 * 2**20  # bytes, the limit of the format's own reader
_LISTED = 12  # names in a message


class CheckpointError(ValueError):
    """A checkpoint is not a whole Kimi-VL. The message lists what is missing, odd or truncated."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies: bytes ``start`` to ``end`` of ``shard``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: str
    start: int
    end: int


def load(
    kind: type[Model],
    location: str | Path,
    *,
    device_map: str | torch.device | Mapping[str, Any] | None = None,
    dtype: str | torch.dtype | None = None,
    config: KimiVLConfig | None = None,
) -> Model:
    """The model from a directory or fsspec URL, streamed onto one device and set to inference.

    ``dtype`` None or "auto" keeps what config.json says. Raises :class:`CheckpointError` before any weight is read
    where names or shapes are not Kimi-VL's; ``FileNotFoundError`` where there is nothing.
    """
    device = _one_device(device_map)
    filesystem, root = fsspec.url_to_fs(str(location))
    config = config or KimiVLConfig(**json.loads(filesystem.cat_file(f"{root}/config.json")))
    tensors = read_headers(filesystem, root)
    check_names(kind, config, tensors, str(location))
    model = empty_model(kind, config, device, _dtype(dtype, config))
    fill(model, tensors, filesystem)
    settings = f"{root}/generation_config.json"
    if filesystem.exists(settings):
        model.generation_config = GenerationConfig.from_dict(json.loads(filesystem.cat_file(settings)))
    return model


def weight_bytes(location: str | Path) -> int:
    """Bytes of a checkpoint's weights, from the headers of its shards."""
    filesystem, root = fsspec.url_to_fs(str(location))
    return sum(tensor.end - tensor.start for tensor in read_headers(filesystem, root))


def cache_bytes_per_token(location: str | Path) -> int:
    """Bytes of the latents of one token, in the checkpoint's own type."""
    filesystem, root = fsspec.url_to_fs(str(location))
    config = KimiVLConfig(**json.loads(filesystem.cat_file(f"{root}/config.json")))
    text = config.text_config
    return int(text.num_hidden_layers * text.latent_width * _dtype(None, config).itemsize)


def empty_model(kind: type[Model], config: KimiVLConfig, device: torch.device, dtype: torch.dtype) -> Model:
    """The model on its device, set to inference, its memory taken and not filled."""
    with torch.device("meta"):
        model = kind(config)
    model = model.to(dtype).to_empty(device=device).eval()
    _hold_router_corrections_wide(model)
    return model


def expected_shapes(kind: type[PreTrainedModel], config: KimiVLConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a checkpoint of this configuration holds, none of them made."""
    with torch.device("meta"):
        model = kind(config)
    return {
        name: tuple(view.shape)
        for stacked, tensor in model.state_dict().items()
        for name, view in stored_parts(stacked, tensor)
    }


def stored_parts(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A tensor of the model under the names that it has in checkpoints, as views of it: one, or one an expert."""
    match = _STACKED.match(name)
    if match is None:
        yield name, tensor
        return
    prefix, kind = match.groups()
    for expert, matrix in enumerate(tensor):
        if kind == "down_proj":
            yield f"{prefix}.{expert}.down_proj.weight", matrix
        else:
            gate, up = matrix.chunk(2)
            yield f"{prefix}.{expert}.gate_proj.weight", gate
            yield f"{prefix}.{expert}.up_proj.weight", up


def check_names(
    kind: type[PreTrainedModel], config: KimiVLConfig, tensors: Iterable[StoredTensor], source: str
) -> None:
    """Raises :class:`CheckpointError` unless these are exactly the tensors of the configuration."""
    stored = {tensor.name: tensor for tensor in tensors if not IGNORABLE.search(tensor.name)}
    expected = expected_shapes(kind, config)
    shapes = [
        f"{name} is {list(stored[name].shape)}, must be {list(shape)}"
        for name, shape in expected.items()
        if name in stored and stored[name].shape != shape
    ]
    dtypes = [f"{t.name} is {t.dtype}" for t in stored.values() if t.dtype not in _DTYPES]
    _refuse(source, expected.keys() - stored.keys(), stored.keys() - expected.keys(), shapes + dtypes)


def check_directory(kind: type[PreTrainedModel], where: str, config: object = None) -> None:
    """:func:`check_names` for a local directory; a model's name on the hub is left to :func:`check_report`."""
    folder = Path(where)
    if not folder.is_dir():
        return
    filesystem, root = fsspec.url_to_fs(str(folder))
    if not isinstance(config, KimiVLConfig):
        config = KimiVLConfig(**json.loads((folder / "config.json").read_text("utf-8")))
    check_names(kind, config, read_headers(filesystem, root), where)


def check_report(where: str, report: Mapping[str, Any]) -> None:
    """Raises :class:`CheckpointError` where transformers found the checkpoint other than whole."""
    odd = [str(entry) for entry in report.get("mismatched_keys", ())]
    odd += [str(message) for message in report.get("error_msgs", ())]
    _refuse(where, report.get("missing_keys", ()), report.get("unexpected_keys", ()), odd)


def _refuse(source: str, missing: Iterable[str], unexpected: Iterable[str], odd: Iterable[str]) -> None:
    problems = [
        f"{len(names)} {what}: {', '.join(names[:_LISTED])}{' ...' if len(names) > _LISTED else ''}"
        for what, names in (
            ("tensors missing", sorted(missing)),
            ("tensors that Kimi-VL does not have", sorted(unexpected)),
            ("of another shape or type", sorted(odd)),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{source} is not a whole Kimi-VL checkpoint. {'; '.join(problems)}. Copy it again, and check that its "
            "config.json belongs to it."
        )


def read_headers(filesystem: Any, root: str) -> list[StoredTensor]:
    """Every tensor of a directory's shards, from their headers alone. Raises :class:`CheckpointError`."""
    return [tensor for shard in _shards(filesystem, root) for tensor in _read_header(filesystem, shard)]


def _shards(filesystem: Any, root: str) -> list[str]:
    index = f"{root}/{INDEX_FILE}"
    if filesystem.exists(index):
        weight_map = json.loads(filesystem.cat_file(index))["weight_map"]
        return [f"{root}/{name}" for name in sorted(set(weight_map.values()))]
    if filesystem.exists(f"{root}/{SINGLE_FILE}"):
        return [f"{root}/{SINGLE_FILE}"]
    raise FileNotFoundError(f"{root} holds neither {INDEX_FILE} nor {SINGLE_FILE}: it is no checkpoint directory.")


def _read_header(filesystem: Any, shard: str) -> list[StoredTensor]:
    try:
        size = int(filesystem.info(shard)["size"])
        length = int.from_bytes(filesystem.cat_file(shard, start=0, end=8), "little")
        if not 0 < length <= min(_MOST_HEADER, size - 8):
            raise ValueError(f"its header would be {length} bytes of a file of {size}")
        entries = json.loads(filesystem.cat_file(shard, start=8, end=8 + length))
        tensors = [
            StoredTensor(name, entry["dtype"], tuple(entry["shape"]), shard, *_span(entry, 8 + length))
            for name, entry in entries.items()
            if name != "__metadata__"
        ]
        if tensors and max(tensor.end for tensor in tensors) != size:
            raise ValueError(f"its tensors end at byte {max(t.end for t in tensors)}, the file at {size}")
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{shard} is named by {INDEX_FILE}, but is not there. Copy the checkpoint again."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{shard} is not a whole safetensors file: {error}. Copy it again.") from error
    return tensors


def _span(entry: Mapping[str, Any], base: int) -> tuple[int, int]:
    start, end = entry["data_offsets"]
    return base + int(start), base + int(end)


def fill(model: PreTrainedModel, tensors: Sequence[StoredTensor], filesystem: Any) -> None:
    """Read every tensor into its place in the model, in the order in which they lie, several ranges at once."""
    places = {name: view for whole, held in model.state_dict().items() for name, view in stored_parts(whole, held)}
    wanted = sorted((t for t in tensors if t.name in places), key=lambda tensor: (tensor.shard, tensor.start))
    with ThreadPoolExecutor(READERS, thread_name_prefix="weights") as readers, torch.no_grad():
        coming: deque[tuple[list[StoredTensor], Future[bytes]]] = deque()
        for run in runs(wanted):
            coming.append((run, readers.submit(_read, filesystem, run)))
            if len(coming) > READERS:
                _place(places, *coming.popleft())
        while coming:
            _place(places, *coming.popleft())


def runs(wanted: Iterable[StoredTensor]) -> Iterator[list[StoredTensor]]:
    """Tensors that lie behind one another in a shard, as ranges of about ``RANGE_BYTES``; a larger one by itself."""
    run: list[StoredTensor] = []
    for tensor in wanted:
        if run and (tensor.shard != run[0].shard or tensor.end - run[0].start > RANGE_BYTES):
            yield run
            run = []
        run.append(tensor)
    if run:
        yield run


def _read(filesystem: Any, run: Sequence[StoredTensor]) -> bytes:
    return bytes(filesystem.cat_file(run[0].shard, start=run[0].start, end=run[-1].end))


def _place(places: Mapping[str, Tensor], run: Sequence[StoredTensor], read: Future[bytes]) -> None:
    """Copy a range's tensors into the model."""
    data, first = bytearray(read.result()), run[0].start
    for tensor in run:
        if len(data) < tensor.end - first:
            raise CheckpointError(f"{tensor.shard} ends inside {tensor.name}. Copy it again.")
        part = memoryview(data)[tensor.start - first : tensor.end - first]
        places[tensor.name].copy_(torch.frombuffer(part, dtype=_DTYPES[tensor.dtype]).view(tensor.shape))


def _hold_router_corrections_wide(model: PreTrainedModel) -> None:
    """The choice of experts must not change with the model's dtype (spec §4.4)."""
    for module in model.modules():
        if "e_score_correction_bias" in module._buffers:
            module.e_score_correction_bias = module.e_score_correction_bias.float()


def _one_device(device_map: str | torch.device | Mapping[str, Any] | None) -> torch.device:
    if isinstance(device_map, Mapping):
        if set(device_map) != {""}:
            raise ValueError("A checkpoint is streamed onto one device; for several, copy it to a local directory.")
        device_map = device_map[""]
    if device_map in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device_map)  # type: ignore[arg-type]


def _dtype(dtype: str | torch.dtype | None, config: KimiVLConfig) -> torch.dtype:
    if dtype in (None, "auto"):
        dtype = config.dtype or torch.float32
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype
