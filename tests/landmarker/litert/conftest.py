"""What tests of the LiteRT pipeline share."""

from __future__ import annotations

import pytest

from piapp.landmarker.litert.network import Network

DETECTOR_SIZE = 224  # of its input in pixels; the landmark model's has 256


@pytest.fixture
def detector_runs(monkeypatch) -> list[int]:
    """Gets an entry whenever a detector computes."""
    runs: list[int] = []
    run = Network.run

    def counted(network: Network) -> None:
        if network.size == DETECTOR_SIZE:
            runs.append(1)
        run(network)

    monkeypatch.setattr(Network, "run", counted)
    return runs
