"""The card image's layers hold together; `make test-image` makes one and boots it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

IMAGE = Path(__file__).parents[2] / "deploy" / "image"
OVERLAY = IMAGE / "layer" / "piapp.rootfs-overlay"
LAYERS = [*IMAGE.glob("device/*.yaml"), *IMAGE.glob("layer/*.yaml"), *IMAGE.glob("image/*/image.yaml")]
SCRIPTS = [IMAGE / "validate.sh", *(OVERLAY / "usr/lib/piapp-card").iterdir(), *IMAGE.glob("image/*/*.sh")]


def metadata(layer):
    """The fields of a layer's head, as rpi-image-gen reads them: comments, of which some go over several lines."""
    head = layer.read_text().partition("# METABEGIN\n")[2].partition("# METAEND\n")[0]
    lines = [line.removeprefix("# ").removeprefix("#") for line in head.splitlines()]
    return dict(line.split(": ", 1) for line in lines if re.match(r"X-Env-\S+: ", line))


def test_the_configuration_names_layers_that_are_there():
    """Ours by their own names; each has a version and says what it is."""
    heads = [metadata(layer) for layer in LAYERS]
    names = {head["X-Env-Layer-Name"] for head in heads}
    config = yaml.safe_load((IMAGE / "config/piapp.yaml").read_text())
    assert {config["device"]["layer"], config["image"]["layer"], config["layer"]["app"]} == names
    assert all(head["X-Env-Layer-Version"] and head["X-Env-Layer-Desc"] for head in heads)


def test_what_is_kept_is_what_the_root_cannot_keep():
    """The folders that go to the state partition are those that are mounted from there, and the root is read-only."""
    lines = [line.split() for line in (OVERLAY / "etc/fstab").read_text().splitlines() if not line.startswith("#")]
    mounts = {line[1]: line for line in lines}
    assert "ro" in mounts["/"][3].split(",")
    bound = {target for target, line in mounts.items() if "bind" in line[3]}
    assert all(mounts[target][0] == f"/state{target}" for target in bound)
    hooks = "\n".join(yaml.safe_load((IMAGE / "layer/piapp.yaml").read_text())["mmdebstrap"]["customize-hooks"])
    kept = re.search(r"for folder in (.*); do", hooks)[1].split()
    assert {f"/{folder}" for folder in kept} == bound


@pytest.mark.parametrize("mark", ["~", "."], ids=["make deb", "a release"])
def test_the_package_is_found_by_either_name(tmp_path, mark):
    """Its own, and neither MediaPipe's nor another Debian's."""
    hooks = yaml.safe_load((IMAGE / "layer/piapp.yaml").read_text())["mmdebstrap"]["customize-hooks"]
    find = next(line for hook in hooks for line in hook.splitlines() if line.startswith("package="))
    for name in ("piapp_1.2.3-1{}deb12", "piapp_1.2.3-1{}deb13", "piapp-mediapipe_1.2.2-1{}deb13"):
        (tmp_path / f"{name.format(mark)}_arm64.deb").touch()
    settings = {"IGconf_piapp_packages": str(tmp_path), "suite": "13", "machine": "arm64"}
    command = ["sh", "-euc", f'{find}; echo "$package"']
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / f"piapp_1.2.3-1{mark}deb13_arm64.deb")


def test_scripts_are_sound():
    """For any POSIX shell but the checker of layers, which is bash."""
    if shutil.which("shellcheck") is None:
        pytest.skip("NOT TESTED: shellcheck is not installed")
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert all(os.access(script, os.X_OK) for script in SCRIPTS)


def test_the_partition_table(tmp_path):
    """pre-image.sh puts every size in."""
    settings = {
        "name": "card",
        "suffix": "img",
        "boot_part_size": "1M",
        "root_part_size": "2M",
        "state_part_size": "3M",
    }
    environment = os.environ | {f"IGconf_image_{key}": value for key, value in settings.items()}
    subprocess.run([IMAGE / "image/piapp-card/pre-image.sh", "root", tmp_path], env=environment, check=True)
    table = (tmp_path / "genimage.cfg").read_text()
    assert "@" not in table
    assert table.count("size = ") == 3
    assert "image card.img {" in table


def test_rpi_image_gen_accepts_the_layers():
    """Its own checker, where a checkout of it is named."""
    tool = os.environ.get("PIAPP_RPI_IMAGE_GEN")
    if not tool:
        pytest.skip("NOT TESTED: PIAPP_RPI_IMAGE_GEN names no checkout of rpi-image-gen")
    done = subprocess.run([IMAGE / "validate.sh", tool], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the layers are valid" in done.stdout
