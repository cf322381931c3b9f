"""The recipe: builds model bundles from the npm package and checks them against `models.json`.

    python models/build.py                      the two lite bundles, into this folder
    python models/build.py --from PATH          the same, from the package's .tgz or unpacked folder
    python models/build.py full heavy --out DIR

Exit code 1 when a bundle is not what `models.json` pins. How a bundle is made is `piapp/landmarker/bundle.py`.
"""

# ruff: noqa: INP001, T201 - a script that talks to its caller

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from piapp.errors import ModelError
from piapp.landmarker.bundle import landmarks_only
from piapp.landmarker.model import Variant, build_from_package, load_registry
from piapp.landmarker.origin import no_progress, sha256


def main() -> int:
    """Build, write, compare; the exit code."""
    arguments = _arguments()
    try:
        same = [_build(name, arguments.source, arguments.out) for name in arguments.models]
    except ModelError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0 if all(same) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build model bundles reproducibly.")
    parser.add_argument("models", nargs="*", default=["lite"], metavar="MODEL", help="lite (default), full, heavy")
    parser.add_argument("--from", dest="source", type=Path, help="the npm package: .tgz or unpacked folder")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where bundles go; default: here")
    arguments = parser.parse_args()
    unknown = set(arguments.models) - set(load_registry().models)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    return arguments


def _build(name: str, source: Path | None, out: Path) -> bool:
    registry = load_registry()
    complete = build_from_package(name, registry, source=source, progress=no_progress)
    same = True
    bundles: dict[Variant, bytes] = {"complete": complete, "landmarks": landmarks_only(complete)}
    for variant, bundle in bundles.items():
        pin = registry.models[name].variants[variant]
        found = sha256(bundle)
        (out / pin.file).write_bytes(bundle)
        same &= found == pin.sha256
        verdict = "as pinned" if found == pin.sha256 else f"NOT as pinned, {pin.sha256}"
        print(f"{pin.file}  {len(bundle)} bytes  sha256 {found}  {verdict}")
    return same


if __name__ == "__main__":
    sys.exit(main())
