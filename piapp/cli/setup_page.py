"""`piapp setup-page`."""

from __future__ import annotations

from typing import Annotated

import typer

from piapp.cli.loading import load
from piapp.cli.options import ConfigOption, SetOption

app = typer.Typer(rich_markup_mode=None)


@app.command("setup-page", epilog="Example: sudo piapp setup-page && sudo systemctl restart piapp")
def setup_page(
    close: Annotated[bool, typer.Option("--close", help="Take the code back instead.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Open the page on which the node is set up in a browser: print its address, and a code for one browser."""
    loaded = load(config, set_, {})
    from piapp.operate import setup_page as operate  # noqa: PLC0415

    if close:
        was_open = operate.close_setup_page(loaded.config)
        typer.echo("the code was taken back" if was_open else "nobody was invited")
        return
    page = operate.open_setup_page(loaded.config)
    typer.echo("Set this node up in a browser on the same network, within an hour of its start:")
    for link in page.links:
        typer.echo(f"  {link}")
    typer.echo(f"Code: {page.code} (for one browser, once)")
