"""Commands for whoever sets a node up and keeps it: check, test-alert, provision, forget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piapp.cli.loading import load
from piapp.cli.options import ConfigOption, LogOption, SetOption, begin
from piapp.cli.process import EXIT_SOME_FAILED, LogLevel
from piapp.config.addresses import with_scheme
from piapp.service.identity import default_node_id

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example: sudo piapp check")
def check(
    parts: Annotated[list[str] | None, typer.Argument(metavar="[PART]...", help="Only these; default: all.")] = None,
    mend: Annotated[bool, typer.Option("--mend", help="Remove a second OpenCV.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.ERROR,
) -> None:
    """Check camera, model, broker, clock, temperature, disk, service, egress, OpenCV; exit 1 if one fails."""
    loaded = begin(config, set_, {}, log_level)
    from piapp.node.app import kept_config  # noqa: PLC0415
    from piapp.operate import check as doctor  # noqa: PLC0415

    in_force = loaded.config if set_ else kept_config(loaded.config)
    typer.echo(f"{'OK':4}  {'config':11}  {loaded.file or 'built-in defaults'}")
    failed = False
    for finding in doctor.check(in_force, parts or (), file=loaded.file, mend=mend):
        typer.echo(finding.line())
        failed = failed or finding.verdict == "FAIL"
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("test-alert", epilog="Example: piapp test-alert --node hall --broker mqtt://broker.lan")
def alert_test(
    node: Annotated[str | None, typer.Option(metavar="ID", help="The node; default: this machine's.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Have a running node send a fall, marked as a test, the way a real one goes: to see that somebody would come."""
    loaded = load(config, set_, {"mqtt.url": broker})
    from piapp.mqtt.topics import Topics  # noqa: PLC0415
    from piapp.node.app import kept_config  # noqa: PLC0415
    from piapp.operate.alert import ask_for_alert  # noqa: PLC0415

    name = node or loaded.config.node.id or default_node_id()
    config_of_node = loaded.config if broker or set_ else kept_config(loaded.config)
    ask_for_alert(config_of_node.mqtt, Topics(loaded.config.mqtt.base_topic, name))
    typer.echo(f"{name}: sent fall, fallen and recovered, marked as a test")


@app.command(epilog="Example: piapp provision --node hall --broker mqtts://broker.lan:8884 --out hall")
def provision(
    node: Annotated[str, typer.Option(metavar="ID", help="The node; becomes the certificate's common name.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go; made if need be.")],
    broker: Annotated[str, typer.Option(metavar="URL", help="The broker, mqtts://host[:port].")],
    base: Annotated[str, typer.Option(metavar="TOPIC", help="mqtt.base_topic of the node.")] = "piapp",
) -> None:
    """Make a node's private key, certificate request, configuration snippet and access rules (deploy/mosquitto)."""
    from piapp.mqtt.topics import Topics  # noqa: PLC0415
    from piapp.operate import provision as provisioning  # noqa: PLC0415

    made = provisioning.provision(Topics(base, node), out, url=broker)
    typer.echo(f"{made.key}: private key; for the node alone")
    typer.echo(f"{made.request}: certificate request; have the broker's authority sign it")
    typer.echo(f"{made.config}: belongs into the node's /etc/piapp/piapp.toml")
    typer.echo(f"{made.rules}: belongs into the broker's access rules")


@app.command("forget", epilog="Example: piapp forget --node hall --broker mqtt://broker.lan")
def forget_node(
    node: Annotated[str, typer.Option("--node", metavar="ID", help="The node that is no more.")],
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Even while it is online.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Take what a node has left at the broker, and with it its device in Home Assistant."""
    loaded = load(config, set_, {"mqtt.url": broker})
    from piapp.operate.forget import forget  # noqa: PLC0415

    for topic in forget(loaded.config, node, force=force):
        typer.echo(topic)


service_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Run this piapp as a service at boot.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print every step and change nothing.")]


@service_app.command(
    "install", epilog="Example: sudo /opt/piapp-venv/bin/piapp service install --broker mqtt://broker.lan"
)
def service_install(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url in a new configuration.")] = None,
    source: Annotated[str | None, typer.Option(metavar="S", help="Sets camera.source in a new configuration.")] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it and wait for its first result.")] = True,
    dry_run: DryRun = False,
) -> None:
    """Write user, configuration and unit for a piapp that came by pip, pipx or uv, and start it."""
    from piapp.operate.service import install  # noqa: PLC0415

    settings = {"mqtt.url": with_scheme(broker or ""), "camera.source": source}
    install({key: value for key, value in settings.items() if value}, start=start, dry_run=dry_run)


@service_app.command("remove", epilog="Example: sudo /opt/piapp-venv/bin/piapp service remove --purge")
def service_remove(
    purge: Annotated[bool, typer.Option("--purge", help="Also configuration, state and user.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Stop the service and remove its unit; the configuration stays unless --purge is given."""
    from piapp.operate.service import remove  # noqa: PLC0415

    remove(purge=purge, dry_run=dry_run)


@service_app.command("add", epilog="Example: sudo piapp service add bedroom --source v4l2:/dev/video2")
def service_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the camera: a to z and 0 to 9.")],
    source: Annotated[str, typer.Option(metavar="S", help="The camera, such as picamera2:1 or v4l2:/dev/video2.")],
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What people call the node.")] = None,
    area: Annotated[str | None, typer.Option(metavar="ROOM", help="The room, for Home Assistant.")] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it and wait for its first result.")] = True,
    dry_run: DryRun = False,
) -> None:
    """Add a further camera of this board: a node of its own, piapp@NAME, with the first one's broker and login."""
    from piapp.operate.cameras import add  # noqa: PLC0415

    settings = {"camera.source": source, "node.name": title, "node.area": area}
    file = add(name, {key: value for key, value in settings.items() if value}, start=start, dry_run=dry_run)
    if not dry_run:
        typer.echo(f"{file}: its configuration; log: journalctl -u piapp@{name}; piapp check --config {file}")


@service_app.command("drop", epilog="Example: sudo piapp service drop bedroom --purge")
def service_drop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the camera.")],
    purge: Annotated[bool, typer.Option("--purge", help="Also its configuration and state.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Stop a further camera's service and remove it; its configuration stays unless --purge is given."""
    from piapp.operate.cameras import drop  # noqa: PLC0415

    drop(name, purge=purge, dry_run=dry_run)
