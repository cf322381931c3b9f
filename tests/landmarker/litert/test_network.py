"""Bundles that LiteRT cannot run end with a message, and networks with their own memory."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from mediapipe.tasks.metadata import schema_py_generated as schema

from piapp.errors import ModelError
from piapp.landmarker.bundle import read_bundle, write_bundle
from piapp.landmarker.litert.network import Network, open_networks, read_models
from piapp.landmarker.model import find_model


@pytest.fixture(scope="module")
def bundle() -> tuple[bytes, bytes]:
    """The lite model's two networks."""
    return read_bundle(find_model("lite", masks=False).path.read_bytes())


def test_the_two_networks(bundle, tmp_path):
    """Input sizes and output shapes as the pipeline expects them."""
    path = tmp_path / "model.task"
    path.write_bytes(write_bundle(*bundle))
    detector, landmarks = open_networks(read_models(path), 1)
    assert (detector.size, landmarks.size) == (224, 256)
    for network in (detector, landmarks):
        network.fill(lambda into: into.fill(0))
        network.run()
    assert [detector.output(index).shape for index in range(2)] == [(2254, 12), (2254, 1)]
    assert [landmarks.output(index).shape for index in range(5)] == [(195,), (1,), (256, 256, 1), (64, 64, 39), (117,)]


def test_threads_do_not_change_the_result(bundle):
    """An inference shared by two threads gives what one gives."""
    picture = np.random.default_rng(1).random((256, 256, 3), np.float32)
    results = []
    for threads in (1, 2):
        network = Network(bundle[1], "landmarks", threads=threads, outputs=5)
        network.fill(lambda into: np.copyto(into, picture))
        network.run()
        results.append(network.output(0).copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-3)


def test_models_in_the_wrong_place(bundle, tmp_path):
    """The message names the file, what was found and what was expected."""
    path = tmp_path / "swapped.task"
    path.write_bytes(write_bundle(bundle[1], bundle[0]))
    with pytest.raises(ModelError, match=r"swapped\.task: pose_detector\.tflite: .* 5 outputs; expected .* 2"):
        open_networks(read_models(path), 1)


def test_a_model_that_is_cut_off(bundle, tmp_path):
    """LiteRT's refusal becomes ours."""
    path = tmp_path / "cut.task"
    path.write_bytes(write_bundle(bundle[0][:1000], bundle[1]))
    with pytest.raises(ModelError, match=r"cut\.task: pose_detector\.tflite: LiteRT cannot load this model"):
        open_networks(read_models(path), 1)


def test_no_bundle_at_all(tmp_path):
    """A file that is missing, and one that is something else."""
    with pytest.raises(ModelError, match=r"gone\.task: cannot be read: No such file"):
        read_models(tmp_path / "gone.task")
    other = tmp_path / "other.task"
    other.write_text("hello")
    with pytest.raises(ModelError, match=r"other\.task: expected a bundle"):
        read_models(other)


def test_a_network_without_its_weights(bundle):
    """It loads, and cannot run: that is an error of the model, at the start."""
    net = schema.ModelT.InitFromPackedBuf(bundle[1], 0)
    for buffer in net.buffers:
        buffer.data = None
    builder = flatbuffers.Builder()
    builder.Finish(net.Pack(builder), b"TFL3")
    with pytest.raises(ModelError, match="LiteRT cannot load this model"):
        Network(bytes(builder.Output()), "landmarks", threads=1, outputs=5)
