"""Progress bars on standard error, where a terminal is there to show them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def files_progress(count: int) -> Iterator[Callable[[Path], Callable[[int], None]]]:
    """A bar for the files and one for the frames of the present file.

    Yields:
        What to call with a file when it begins; that gives what to call after each of its frames, with the number of
        frames in the file (0: unknown).
    """
    with _progress() as progress:
        files = progress.add_task("files", total=count)
        frames = progress.add_task("", total=None, visible=count > 0)
        started = False

        def begin(path: Path) -> Callable[[int], None]:
            nonlocal started
            progress.advance(files, 1 if started else 0)
            started = True
            progress.reset(frames, description=path.name, total=None)
            return lambda total: progress.update(frames, advance=1, total=total or None)

        yield begin
        progress.update(files, completed=count)


@contextmanager
def amount_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for what is fetched or recorded.

    Yields:
        What to call with (what, how much is done, how much in all or 0).
    """
    with _progress() as progress:
        task = progress.add_task("", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total or None)


def _progress() -> Progress:
    console = Console(file=sys.stderr)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
