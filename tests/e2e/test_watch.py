"""`piapp watch` as a person sees it: in a real terminal (tmux), of a real node on the bundled clip."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

import psutil
import pytest
from rich.cells import cell_len

from tests.e2e.node import NODE, PIAPP, clean_environment
from tests.mosquitto import DEADLINE_S, wait_until
from tests.watch.messages import frame, person, state

# The clip lasts 25 s and is played again and again.
CLIP_DEADLINE_S = 80.0

PROMPT = "ready>"


class Screen:
    """A shell in a terminal of its own.

    Args:
        folder: For tmux's configuration.
        size: (columns, rows).
    """

    def __init__(self, folder, size):
        config = folder / "tmux.conf"
        config.write_text("set -g status off\nset -g escape-time 0\n")
        self.size = size
        self._tmux = ["tmux", "-u", "-L", f"piapp-{os.getpid()}", "-f", str(config)]
        columns, rows = map(str, size)
        environment = clean_environment(PS1=PROMPT, LC_CTYPE="C.UTF-8")
        environment.pop("NO_COLOR", None)
        session = ["new-session", "-d", "-x", columns, "-y", rows, "bash", "--norc", "--noprofile"]
        subprocess.run([*self._tmux, *session], env=environment, check=True)
        wait_until(lambda: PROMPT in self.text(), "the shell")

    def __call__(self, *arguments):
        """Run a command of tmux."""
        done = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    def press(self, *keys):
        """Press keys by tmux's names."""
        self("send-keys", *keys)

    def watch(self, *arguments, **environment):
        """Start `piapp watch`."""
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        self.press(f"{settings} {shlex.join([*PIAPP, 'watch', *arguments])}", "Enter")

    def resize(self, *size):
        """Make the terminal larger or smaller."""
        self.size = size
        self("resize-window", "-x", str(size[0]), "-y", str(size[1]))

    def text(self):
        """What is to be seen; no line may be too long and none too many."""
        text = self("capture-pane", "-p")
        lines = text.splitlines()
        assert len(lines) <= self.size[1]
        assert all(cell_len(line) <= self.size[0] for line in lines), text
        return text

    def colours(self):
        """How many colours are set on the screen."""
        return sum(self("capture-pane", "-p", "-e").count(f"\x1b[{number}") for number in (*range(31, 38), 38))

    def wait_for(self, *words, deadline_s=DEADLINE_S):
        """Wait until the screen holds all these; give it."""
        seen = [""]

        def holds():
            seen[0] = self.text()
            return all(word in seen[0] for word in words)

        try:
            wait_until(holds, f"{words} on the screen", deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{seen[0]}") from None
        return seen[0]

    def is_given_back(self, status):
        """Whether the shell is there as before: the program's exit status, echo and lines, the screen from before."""
        assert "events" not in self.wait_for(PROMPT)
        self.press("ended=$?; clear; stty -a | grep icanon; echo status $ended", "Enter")
        modes = self.wait_for(f"\nstatus {status}\n").split()
        return "echo" in modes and "icanon" in modes


@pytest.fixture
def open_screen(tmp_path):
    """Open a terminal that ends with the test: `open_screen(columns, rows)`."""
    if shutil.which("tmux") is None:
        pytest.skip("NOT TESTED: piapp watch in a terminal; tmux is not installed (apt install tmux)")
    screens = []

    def start(columns, rows):
        screens.append(Screen(tmp_path, (columns, rows)))
        return screens[-1]

    yield start
    if screens:
        screens[0]("kill-server")


def braille(text):
    """How many cells a skeleton is drawn into."""
    return sum(0x2800 < ord(char) <= 0x28FF for char in text)


@pytest.mark.timeout(300)
def test_a_real_node_at_80_columns(open_screen, run_node, broker):
    """The node and who it sees in the list, events, the skeleton after enter, the fall; q gives the terminal back."""
    screen = open_screen(80, 24)
    screen.watch("--broker", broker.url)
    screen.wait_for("no node has spoken yet", "q quit")
    source = "demo:?loop=0"
    node = run_node(broker.port, "--source", source, "--set", "spool.dir=off")
    screen.wait_for(f">  {NODE} ", "online", deadline_s=CLIP_DEADLINE_S)
    screen.wait_for("#1 standing", "person_entered  person 1", deadline_s=CLIP_DEADLINE_S)
    screen.press("Enter")
    screen.wait_for(f"{NODE}  online", "esc all nodes", "┌──", " ms")
    wait_until(lambda: braille(screen.text()) > 10, "a skeleton", CLIP_DEADLINE_S)
    screen.wait_for(f"!! FALLEN: {NODE} ", "FALLEN lying", "!! fall  person", deadline_s=CLIP_DEADLINE_S)
    screen.press("Escape")
    screen.wait_for(f">!!{NODE} ", "up/down choose")
    node.stop()
    screen.wait_for("OFFLINE", "!! offline")
    screen.press("q")
    assert screen.is_given_back(0)


def test_without_colour_and_braille(open_screen, broker, subscribe):
    """NO_COLOR and an ASCII locale in 40 x 15: the fallen are marked in words, the skeleton is strokes."""
    voice = subscribe(broker)
    screen = open_screen(40, 15)
    screen.watch("--broker", broker.url, "--node", "hall", NO_COLOR="1", LC_ALL="C")
    screen.wait_for("not heard of yet")
    voice.publish("piapp/hall/status", b"online")
    voice.publish("piapp/hall/state", state(person(1, posture="lying", fallen=True)))

    def is_drawn():
        voice.publish("piapp/hall/frame", frame(0.5, form="msgpack"))
        return "||" in screen.text().partition("+--")[2]

    wait_until(is_drawn, "a skeleton of strokes")
    assert screen.text().isascii()
    assert "!! #1 FALLEN lying" in screen.text()
    assert screen.colours() == 0
    screen.press("C-c")
    assert screen.is_given_back(0)


def test_resized_and_without_a_broker_for_a_while(open_screen, broker, subscribe):
    """The screen follows the terminal's size; the loss of the broker is said, and it goes on when that is back."""
    voice = subscribe(broker)
    for number in range(30):
        voice.deliver(f"piapp/n-{number:02}/status", b"online")
    screen = open_screen(80, 24)
    screen.watch("--broker", broker.url)
    screen.wait_for("30 nodes, 30 online", "16 of 30", ">  n-00")
    assert screen.colours() > 0
    screen.press("End")
    screen.wait_for(">  n-29")
    screen.resize(100, 50)
    screen.wait_for("n-00", ">  n-29")
    screen.resize(40, 15)
    screen.wait_for(">  n-29", "of 30")
    broker.kill()
    screen.wait_for("connection lost, trying again")
    broker.start()
    screen.wait_for("30 nodes, 30 online", "connected again")
    screen.press("q")
    assert screen.is_given_back(0)


def test_a_termination_gives_the_terminal_back(open_screen, broker):
    """As a system that shuts down sends it."""
    screen = open_screen(80, 24)
    screen.watch("--broker", broker.url)
    screen.wait_for("no node has spoken yet")
    shell = psutil.Process(int(screen("display-message", "-p", "#{pane_pid}")))
    shell.children()[0].terminate()
    assert screen.is_given_back(0)
