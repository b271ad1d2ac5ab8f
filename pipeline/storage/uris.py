"""Paths and URIs of sources: made comparable, told without secrets, and what their endings say. Pure string work."""

from __future__ import annotations

import os
from typing import Any

import fsspec

from folioscope.pipeline.kinds import FILE_KINDS, Kind

_KINDS = {suffix: declared.kind for declared in FILE_KINDS.values() for suffix in declared.suffixes}
URL_SCHEMES = frozenset({"http", "https"})


def suffix_of(uri: str) -> str:
    """The ending of a file's name in lower case, with its dot; empty where the name has none."""
    return os.path.splitext(uri.rpartition("/")[2])[1].lower()


def kind_of_name(uri: str) -> Kind | None:
    """pdf, image, video, audio or subtitles by the name's ending; None for any other."""
    return _KINDS.get(suffix_of(uri))


def scheme_of(uri: str) -> str:
    """``s3`` of ``s3://bucket``; empty for a local path, with or without ``file://``."""
    scheme = uri.split("://", 1)[0] if "://" in uri else ""
    return "" if scheme == "file" else scheme


def speaks_s3(filesystem: Any) -> bool:
    """Whether S3's own requests can be made through an fsspec file system."""
    protocols = (filesystem.protocol,) if isinstance(filesystem.protocol, str) else filesystem.protocol
    return "s3" in protocols and hasattr(filesystem, "call_s3")


def is_local(uri: str) -> bool:
    return not scheme_of(uri)


def normalise(uri: str) -> str:
    """A local path made absolute, ``~`` expanded; another URI without trailing slashes."""
    if not is_local(uri):
        return uri.rstrip("/")
    path = uri.removeprefix("file://")
    if path.startswith("~") and not os.path.lexists(path):
        path = os.path.expanduser(path)
    return os.path.abspath(path)


def canonical(uri: str) -> str:
    """A normalised URI in the form in which listings name what lies under it: ``s3`` for ``s3a``, no secrets."""
    uri = normalise(uri)
    scheme = scheme_of(uri)
    if scheme and scheme not in URL_SCHEMES:
        try:
            kind = fsspec.get_filesystem_class(scheme)
            name = kind._strip_protocol(uri)
        except (ImportError, ValueError):  # listing it fails for the same reason, and says so
            return redact(uri)
        protocol = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
        uri = name if name.startswith(f"{protocol}://") else f"{protocol}://{name}"
    return redact(uri)


def redact(uri: str) -> str:
    """The URI without user, password and query, where secrets stand."""
    if "://" not in uri or not ("@" in uri or "?" in uri):
        return uri
    scheme, rest = uri.split("://", 1)
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2] if scheme not in ("abfs", "abfss") else host
    return f"{scheme}://{host}{slash}{path.partition('?')[0] if scheme in URL_SCHEMES else path}"


def folder_prefix(uri: str) -> str:
    return uri.rstrip("/") + "/"
