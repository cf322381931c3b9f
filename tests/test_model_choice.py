"""Which model runs where the configuration leaves the choice."""

from __future__ import annotations

import logging
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from piapp import model_choice
from piapp.config.load import default_config
from piapp.errors import ModelError
from piapp.landmarker.model import ModelFile, find_model
from piapp.landmarker.offline import OfflineStage
from piapp.model_choice import MAX_FRAME_MS, choose_model, frame_ms
from piapp.types import Pose

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="litert")
AUTO = msgspec.structs.replace(CONFIG, model="auto")


@pytest.fixture
def fetched(monkeypatch):
    """The full model is here: lite's file under its name."""

    def find(name: str, *, masks: bool) -> ModelFile:
        return replace(find_model("lite", masks=masks), name=name)

    monkeypatch.setattr(model_choice, "find_model", find)


def test_a_named_model_is_not_measured():
    """Whatever this machine can do."""

    def measure(*_: object) -> float:
        raise AssertionError("nothing was to be chosen")

    assert choose_model(CONFIG, masks=False, measure=measure).name == "lite"
    with pytest.raises(ModelError):
        choose_model(msgspec.structs.replace(CONFIG, model="fulll"), masks=False, measure=measure)


@pytest.mark.parametrize(("needed_ms", "name"), [(MAX_FRAME_MS - 1, "full"), (MAX_FRAME_MS + 1, "lite")])
def test_auto_takes_the_full_model_where_it_is_fast_enough(fetched, caplog, needed_ms, name):
    """And says in the log what it chose and why."""
    with caplog.at_level(logging.INFO):
        assert choose_model(AUTO, masks=False, measure=lambda *_: needed_ms).name == name
    assert f"{name} is chosen; full needs {needed_ms:.0f} ms" in caplog.text


def test_without_the_full_model_auto_means_lite(monkeypatch, caplog):
    """A machine that never fetched it."""

    def find(name: str, *, masks: bool):
        if name == "full":
            raise ModelError("it is missing; `piapp model fetch full` brings it")
        return find_model(name, masks=masks)

    monkeypatch.setattr(model_choice, "find_model", find)
    with caplog.at_level(logging.INFO):
        assert choose_model(AUTO, masks=False).name == "lite"
    assert "piapp model fetch full" in caplog.text


def test_a_real_model_is_measured(monkeypatch):
    """By running it on frames of the clip, in each of which somebody is found."""
    found = []
    detect = OfflineStage.detect

    def detect_and_note(stage: OfflineStage, image: np.ndarray, ts_ms: int) -> tuple[Pose, ...]:
        found.append(detect(stage, image, ts_ms))
        return found[-1]

    monkeypatch.setattr(OfflineStage, "detect", detect_and_note)
    assert frame_ms(CONFIG, find_model("lite", masks=False).path) > 0
    assert [len(poses) for poses in found] == [1] * 20
