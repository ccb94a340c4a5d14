"""A result folder: files, and a manifest that is written last and says that they are whole.

A folder is prepared beside its destination under a hidden name and then renamed, so a killed run leaves the old result
or none. Where the system can exchange two folders in one step (Linux), an old result is replaced in that step;
elsewhere there is a moment between two renames in which neither stands there. A folder without `manifest.json` is
unfinished and is never loaded.
"""

import ctypes
import hashlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldvaluesbench._io._names import printable, quoted
from worldvaluesbench._version import __version__
from worldvaluesbench.errors import FolderError

if sys.platform != "win32":
    import fcntl

MANIFEST = "manifest.json"

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def parse_json(text: str | bytes) -> Any:
    """JSON that somebody else may have written. Raises ValueError, with its reason, where it is none.

    None is what says one thing twice, holds no number where one should stand (NaN, or one too large), or is nested
    so deeply that no reader takes it.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it says {quoted(next(name for name in names if names.count(name) > 1))} twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {text[:20]}, expected a number")
    return number


def read_manifest(folder: Path, kind: str, *parts: str) -> dict[str, Any]:
    """The manifest of a finished result folder of this kind (`dataset`, `probe`, `scores`, ...).

    `parts`: the objects that it must hold beside that of its files.

    Raises FolderError where the folder is absent, unfinished, damaged or of another kind.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FolderError(f"{folder}: there is no such folder; expected a {kind} folder made by `wvb`.")
    if not path.is_file():
        raise FolderError(f"{folder}: no {MANIFEST}, so this is no finished {kind} folder; make it again.")
    try:
        manifest = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(
            f"{path}: cannot be read as JSON ({reason_of(error)}); make the {kind} folder again."
        ) from None
    found = manifest.get("kind") if isinstance(manifest, dict) else None
    if found != kind:
        raise FolderError(f"{folder}: this is a {found or 'foreign'} folder, expected a {kind} folder.")
    absent = next((part for part in ("files", *parts) if not isinstance(manifest.get(part), dict)), None)
    if absent is not None:
        raise FolderError(f"{path}: says nothing of its {absent}; make the {kind} folder again.")
    return dict(manifest)


def kind_of(folder: Path) -> str | None:
    """The kind of the finished result folder here; None where there is none that can be read."""
    try:
        content = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kind = content.get("kind") if isinstance(content, dict) else None
    return kind if isinstance(kind, str) else None


def check_files(folder: Path, kind: str, *parts: str) -> dict[str, Any]:
    """The manifest of a result folder, after checking that every file is as it was written.

    Raises FolderError where the folder is no finished one of this kind, or a file is absent or was changed.
    """
    manifest = read_manifest(folder, kind, *parts)
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file() or file_facts(path) != facts:
            raise FolderError(f"{path}: is absent or was changed since it was made; make the {kind} folder again.")
    return manifest


def write_manifest(folder: Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write the manifest of a folder whose other files are all there: kind, version, `content`, and those files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): file_facts(path) for path in paths}
    write_json(folder / MANIFEST, manifest_of(kind, content) | {"files": files})


def manifest_of(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest begins with: what kind of folder this is, by which version of this package, then `content`."""
    return {"kind": kind, "worldvaluesbench": __version__, **content}


def file_facts(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file, for a manifest."""
    with path.open("rb") as stream:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def write_json(path: Path, content: object) -> None:
    """Write JSON the one way this package writes it: UTF-8, two spaces, order kept, a newline at the end."""
    # halves of characters, in file names that are no UTF-8, become escapes that JSON reads back
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def new_folder(destination: Path, kind: str, *, force: bool = False) -> Iterator[Path]:
    """A staging folder that becomes `destination` when the block ends well, and vanishes when it does not.

    The block must leave a manifest of this kind, as the last file it writes. An existing `destination` is replaced
    only with `force`, and only if it holds an earlier result of the same kind and nothing else.

    Raises FolderError where the destination is occupied or cannot be written.
    """
    destination = destination.resolve()
    check_destination(destination, kind, force=force)
    with _staging(destination) as staging:
        yield staging
        read_manifest(staging, kind)
        check_destination(destination, kind, force=force)
        _move_into_place(staging, destination)


@contextmanager
def new_file(destination: Path, *, force: bool = False, own: "OwnFile | None" = None) -> Iterator[Path]:
    """A path to write to, which becomes `destination` when the block ends well, and vanishes when it does not.

    The path has the name of `destination`, in a hidden folder beside it. Only `force` replaces an existing file, where
    `own` is given only one of that kind, and nothing is written into a result folder.

    Raises FolderError where the destination is occupied or cannot be written.
    """
    destination = destination.resolve()
    check_file_destination(destination, force=force, own=own)
    with _staging(destination) as staging:
        yield staging / destination.name
        check_file_destination(destination, force=force, own=own)
        (staging / destination.name).replace(destination)


@dataclass(frozen=True, slots=True)
class OwnFile:
    """What kind of file a command writes, in words, and how an earlier one is told from files of other people."""

    kind: str
    is_one: Callable[[Path], bool]


def check_file_destination(destination: Path, *, force: bool, own: OwnFile | None = None) -> None:
    """Raise FolderError unless a file may be written at `destination`; ask before long work."""
    destination = _resolved(destination)
    _remove_leftovers(destination)
    if destination.is_dir():
        raise FolderError(f"{destination}: is a folder; expected the name of a file to write.")
    if (destination.parent / MANIFEST).exists():
        raise FolderError(f"{destination}: would stand in a result folder of `wvb`; choose another place.")
    if not destination.exists():
        return
    if not force:
        raise FolderError(f"{destination}: exists already; choose another name or give --force to replace it.")
    if own is not None and not own.is_one(destination):
        raise FolderError(
            f"{destination}: is no {own.kind}, so --force does not replace it; choose another name or "
            f"remove it yourself."
        )


def check_destination(destination: Path, kind: str, *, force: bool) -> None:
    """Raise FolderError unless a result of this kind may be made at `destination`; ask before long work."""
    destination = _resolved(destination)
    _remove_leftovers(destination)
    if not destination.exists():
        return
    if not destination.is_dir():
        raise FolderError(f"{destination}: is a file; expected the name of a folder to make.")
    if not any(destination.iterdir()):
        return
    if Path.cwd().is_relative_to(destination):
        raise FolderError(f"{destination}: you are in this folder; go elsewhere to make it anew, or choose another.")
    if not force:
        raise FolderError(f"{destination}: is not empty; choose another folder or give --force to replace it.")
    found = kind_of(destination)
    if found not in (None, kind):
        raise FolderError(
            f"{destination}: is a {found} folder, and --force replaces only an earlier {kind} folder; choose another "
            f"folder or remove it yourself."
        )
    foreign = _first_foreign_file(destination, kind)
    if foreign is not None:
        raise FolderError(
            f"{destination}: holds {foreign}, which no {kind} folder of `wvb` has, so --force does not replace it; "
            f"choose another folder or remove it yourself."
        )


def _resolved(destination: Path) -> Path:
    """A place to write to, with links followed. Raises FolderError where not every writer takes its name."""
    destination = destination.resolve()
    if printable(str(destination)) != str(destination):
        raise FolderError(f"{printable(str(destination))}: has characters that are no text; choose another name.")
    parent = next(parent for parent in destination.parents if parent.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise FolderError(f"{destination}: cannot be written, for {parent} is read-only; choose another place.")
    return destination


def _first_foreign_file(folder: Path, kind: str) -> str | None:
    """The first file or folder here that an earlier result of this kind did not write; None if all is its own."""
    try:
        own = {MANIFEST, *read_manifest(folder, kind)["files"]}
    except FolderError:
        return sorted(path.name for path in folder.iterdir())[0]
    folders = {parent.as_posix() for name in own for parent in Path(name).parents}
    here = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return next((name for name in here if name not in own and name not in folders), None)


@contextmanager
def _staging(destination: Path) -> Iterator[Path]:
    """A hidden folder beside `destination`, locked while this process lives, gone when the block ends."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}.unfinished.", dir=destination.parent))
        staging.chmod(0o777 & ~_umask())
    except OSError as error:
        raise FolderError(f"{destination}: cannot be written ({reason_of(error)}); choose another place.") from None
    lock = _lock(staging)
    try:
        yield staging
    except Exception as error:
        if not _is_of_the_disk(error, staging):
            raise
        raise FolderError(f"{destination}: writing failed ({reason_of(error)}); nothing was changed.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _move_into_place(staging: Path, destination: Path) -> None:
    """Put the staging folder where the destination is; an old result there ends up in its place, to be removed."""
    if destination.is_dir() and not any(destination.iterdir()):
        destination.rmdir()
    if not destination.exists():
        staging.rename(destination)
        return
    if _exchange(staging, destination):
        return
    replaced = staging.with_name(staging.name.replace(".unfinished.", ".replaced."))
    destination.rename(replaced)
    try:
        staging.rename(destination)
    except OSError:
        replaced.rename(destination)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step, where the system can; say whether it was done."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    paths = os.fsencode(first), os.fsencode(second)
    return bool(renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)


def _remove_leftovers(destination: Path) -> None:
    """Remove what killed runs left beside the destination; put back a result that was being replaced."""
    if not destination.parent.is_dir():
        return
    pattern = re.compile(rf"\.{re.escape(destination.name)}\.(unfinished|replaced)\.[a-z0-9_]+")
    for leftover in sorted(destination.parent.iterdir()):
        match = pattern.fullmatch(leftover.name)
        if match is None or not leftover.is_dir():
            continue
        lock = _lock(leftover)
        if lock is None:
            continue  # its run is alive
        if match.group(1) == "replaced" and not destination.exists():
            leftover.rename(destination)
        else:
            shutil.rmtree(leftover, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for as long as this process lives; None where another one has, or the system cannot."""
    if sys.platform == "win32":
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _is_of_the_disk(error: Exception, folder: Path) -> bool:
    """Whether a writer failed for want of space or the like; not all of them raise an OSError then."""
    if isinstance(error, OSError):
        return True
    is_full = folder.exists() and shutil.disk_usage(folder).free < 1 << 20
    return is_full or re.search(r"\(os error \d+\)|No space left|transport error$", str(error).strip()) is not None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def reason_of(error: Exception) -> str:
    """What went wrong, for a message: short, and without a path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:100] or type(error).__name__
