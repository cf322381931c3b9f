#!/usr/bin/env bash
# Makes a Debian 13 with a real Home Assistant, which needs Python 3.13.2 or newer.
# usage: setup.sh ROOT    (root; needs mmdebstrap; about 8 minutes and 1.8 GB)
# What ROOT holds afterwards: /opt/homeassistant/bin/hass, and no file of this project.
set -euo pipefail
root=${1:?usage: setup.sh ROOT}
version=2026.2.3 # the newest that runs on Debian 13's Python; 2026.3 and newer want 3.14
# The integrations that the tests use, and those that mobile_app imports; what each needs stands in its manifest.
integrations=(mqtt mobile_app automation blueprint recorder history logbook search config http websocket_api api frontend
  timer input_boolean input_number input_text input_datetime template light image camera schedule person
  cloud alexa google_assistant stream tts stt conversation assist_pipeline)

[[ -e $root/.complete-$version ]] && exit
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }
rm --recursive --force --one-file-system "$root"
mkdir -p "$(dirname "$root")"
unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=minbase \
  --include=ca-certificates,python3-venv,python3-dev,gcc,g++,libc6-dev,libffi-dev,libturbojpeg0,libpcap0.8t64,ffmpeg \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
  --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' trixie "$root"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
pip=(chroot "$root" env -u PIP_FIND_LINKS -u PIP_CONSTRAINT /opt/homeassistant/bin/pip install --quiet --disable-pip-version-check)
chroot "$root" python3 -m venv /opt/homeassistant
"${pip[@]}" "homeassistant==$version"
chroot "$root" /opt/homeassistant/bin/python - "${integrations[@]}" >"$root/srv/requirements.txt" <<'PYTHON'
"""Prints what the named integrations, and those that they depend on, need from the Python index."""
import json, pathlib, sys
import homeassistant
folder = pathlib.Path(homeassistant.__file__).parent / "components"
waiting, seen = sys.argv[1:], set()
while waiting:
    name = waiting.pop()
    if name in seen:
        continue
    seen.add(name)
    manifest = json.loads((folder / name / "manifest.json").read_text())
    waiting += manifest.get("dependencies", [])
    for requirement in manifest.get("requirements", []):
        print(requirement)
PYTHON
"${pip[@]}" --constraint /opt/homeassistant/lib/python3.13/site-packages/homeassistant/package_constraints.txt \
  --requirement /srv/requirements.txt
chroot "$root" /opt/homeassistant/bin/python -c 'import homeassistant.components.mobile_app, homeassistant.components.mqtt'
touch "$root/.complete-$version"
