#!/usr/bin/env bash
# Makes a Debian with the real libcamera, whose "virtual" pipeline needs no hardware, and the locked Picamera2.
# usage: setup.sh ROOT    (root; needs mmdebstrap; about 2 minutes and 1.1 GB)
# forky, because older releases' libcamera (0.4 in trixie) has no virtual pipeline that can be used.
set -euo pipefail
root=${1:?usage: setup.sh ROOT}
project=$(cd "$(dirname "$0")/../../.." && pwd)
packages=ca-certificates,python3-libcamera,python3-venv,python3-dev,gcc,libc6-dev,libcap-dev
# What Picamera2 and our adapter need; taken from the tests' lock, with its hashes.
names=(picamera2 av jsonschema libarchive-c numpy openexr pidng piexif pillow python-prctl simplejpeg tqdm videodev2
  attrs referencing rpds-py jsonschema-specifications typing-extensions msgspec opencv-python-headless)

mmdebstrap --quiet --mode=root --variant=minbase --include=$packages --aptopt='APT::Install-Recommends "false"' \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' forky "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
version=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$project/.venv/bin/python" "$project/deploy/select_lock.py" "$project/tests/requirements.txt" "$version" "$(uname -m)" \
  "${names[@]}" >"$root/srv/requirements.txt"
chroot "$root" python3 -m venv --system-site-packages /opt/venv
chroot "$root" /opt/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
  --requirement /srv/requirements.txt
mkdir -p "$root/usr/share/libcamera/pipeline/virtual" "$root/srv/scene"
