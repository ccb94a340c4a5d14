"""A result folder: files, and a manifest that is written last and says that they are whole.

A folder is prepared beside its destination under a hidden name and moved into place in one step, so a killed
run leaves the old result or none. A folder without `manifest.json` is unfinished and is never loaded.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worldvaluesbench.errors import FolderError
from worldvaluesbench.version import __version__

MANIFEST = "manifest.json"


def read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """The manifest of a finished result folder of this kind (`dataset`, `probe`, `scores`, ...).

    Raises FolderError where the folder is absent, unfinished, damaged or of another kind.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FolderError(f"{folder}: there is no such folder; expected a {kind} folder made by `wvb`.")
    if not path.is_file():
        raise FolderError(f"{folder}: no {MANIFEST}, so this is no finished {kind} folder; make it again.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(f"{path}: cannot be read as JSON ({_reason(error)}); make the {kind} folder again.") from None
    found = manifest.get("kind") if isinstance(manifest, dict) else None
    if found != kind:
        raise FolderError(f"{folder}: this is a {found or 'foreign'} folder, expected a {kind} folder.")
    return dict(manifest)


def write_json(path: Path, content: object) -> None:
    """Write JSON the one way this package writes it: UTF-8, two spaces, order kept, a newline at the end."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def new_folder(destination: Path, kind: str, *, force: bool = False) -> Iterator[Path]:
    """A staging folder that becomes `destination` when the block ends well, and vanishes when it does not.

    The block must leave a `manifest.json` of this kind, as the last file it writes. An existing
    `destination` is replaced only with `force`, and only if it is an earlier result of the same kind.

    Raises FolderError where the destination is occupied or cannot be written.
    """
    destination = destination.absolute()
    check_destination(destination, kind, force=force)
    staging = _sibling(destination, "unfinished")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(destination)
        staging.mkdir()
    except OSError as error:
        raise FolderError(f"{destination}: cannot be written ({_reason(error)}); choose another folder.") from None
    try:
        yield staging
        read_manifest(staging, kind)
        _move_into_place(staging, destination, kind, force=force)
    except OSError as error:
        raise FolderError(f"{destination}: writing failed ({_reason(error)}); nothing was changed.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_destination(destination: Path, kind: str, *, force: bool) -> None:
    """Raise FolderError unless a result of this kind may be made at `destination`; ask before long work."""
    if not destination.exists():
        return
    if not destination.is_dir():
        raise FolderError(f"{destination}: is a file; expected the name of a folder to make.")
    if not any(destination.iterdir()):
        return
    if not force:
        raise FolderError(f"{destination}: is not empty; choose another folder or give --force to replace a {kind}.")
    try:
        read_manifest(destination, kind)
    except FolderError:
        raise FolderError(
            f"{destination}: holds files that are no finished {kind} folder, so --force does not replace it; "
            f"choose another folder or remove it yourself."
        ) from None


@contextmanager
def new_file(destination: Path, *, force: bool = False) -> Iterator[Path]:
    """A path to write to, which becomes `destination` when the block ends well, and vanishes when it does not.

    The path keeps the suffixes of `destination`. An existing file is replaced only with `force`.
    """
    destination = destination.absolute()
    if destination.is_dir():
        raise FolderError(f"{destination}: is a folder; expected the name of a file to write.")
    if destination.exists() and not force:
        raise FolderError(f"{destination}: exists already; choose another name or give --force.")
    staging = destination.with_name(f".{os.getpid()}.unfinished.{destination.name}")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield staging
        staging.replace(destination)
    except OSError as error:
        raise FolderError(f"{destination}: cannot be written ({_reason(error)}).") from error
    finally:
        staging.unlink(missing_ok=True)


def file_facts(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file, for a manifest."""
    with path.open("rb") as stream:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def manifest_of(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest: what kind of folder this is, by which version of this package, then `content`."""
    return {"kind": kind, "worldvaluesbench": __version__, **content}


def _move_into_place(staging: Path, destination: Path, kind: str, *, force: bool) -> None:
    check_destination(destination, kind, force=force)
    if not destination.exists():
        staging.rename(destination)
        return
    if not any(destination.iterdir()):
        destination.rmdir()
        staging.rename(destination)
        return
    replaced = _sibling(destination, "replaced")
    destination.rename(replaced)
    try:
        staging.rename(destination)
    except OSError:
        replaced.rename(destination)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _sibling(destination: Path, state: str) -> Path:
    return destination.with_name(f".{destination.name}.{state}.{os.getpid()}")


def _remove_leftovers(destination: Path) -> None:
    """Remove what killed runs left beside the destination; put back a result that was being replaced."""
    for state in ("replaced", "unfinished"):
        for leftover in sorted(destination.parent.glob(f".{destination.name}.{state}.*")):
            pid = leftover.name.rsplit(".", 1)[1]
            if not pid.isdigit() or _is_running(int(pid)):
                continue
            if state == "replaced" and not destination.exists():
                leftover.rename(destination)
            else:
                shutil.rmtree(leftover, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
