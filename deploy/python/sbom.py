"""Writes what a release is made of as a CycloneDX 1.5 document: each locked package with version and hashes.

usage: sbom.py REQUIREMENTS VERSION > piapp-node-VERSION.cdx.json

The document depends on the lock alone, so that the same release gives the same bytes.
"""

import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def document(requirements: str, version: str) -> dict[str, Any]:
    """The document of a release's requirements."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, requirements)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _purl("piapp-node", version),
                "name": "piapp-node",
                "version": version,
                "purl": _purl("piapp-node", version),
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": list(_components(requirements)),
    }


def _components(requirements: str) -> Iterator[dict[str, Any]]:
    for block in re.split(r"\n(?=[a-z])", requirements):
        found = re.match(r"([a-z0-9-]+)==([^ ;\\\n]+)", block)
        if not found or found[1] == "piapp-node":
            continue
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
        yield {
            "type": "library",
            "bom-ref": _purl(found[1], found[2]),
            "name": found[1],
            "version": found[2],
            "purl": _purl(found[1], found[2]),
            # Each wheel and source archive of this version; an installation has one of them.
            "properties": [{"name": "piapp:sha256", "value": value} for value in hashes],
        }


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    json.dump(document(text, sys.argv[2]), sys.stdout, indent=1)
    sys.stdout.write("\n")
