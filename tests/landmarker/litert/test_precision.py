"""Models that allow half precision are the same models otherwise, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from mediapipe.tasks.metadata import schema_py_generated as schema

from piapp.errors import ModelError
from piapp.landmarker.bundle import read_bundle
from piapp.landmarker.litert.network import Network, read_models
from piapp.landmarker.litert.precision import with_half_precision
from piapp.landmarker.model import find_model

SUPPORT = b"reduced_precision_support"
LITE = find_model("lite", masks=False).path
MODELS = {
    f"{part}, masks {masks}": model
    for masks in (False, True)
    for part, model in zip(
        ("detector", "landmarks"), read_bundle(find_model("lite", masks=masks).path.read_bytes()), strict=True
    )
}


def metadata(model):
    """The metadata entries of a model, by name."""
    net = schema.Model.GetRootAs(model)
    entries = [net.Metadata(index) for index in range(net.MetadataLength())]
    return {entry.Name(): net.Buffers(entry.Buffer()).DataAsNumpy().tobytes() for entry in entries}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_only_what_is_allowed_changes(model):
    """One metadata entry with one buffer is new or replaced; all other content is as it was."""
    half = with_half_precision(model)
    assert metadata(half) == metadata(model) | {SUPPORT: b"fp16accfp16"}
    before, after = (schema.ModelT.InitFromPackedBuf(each) for each in (model, half))
    assert len(after.buffers) == len(before.buffers) + 1
    for one, other in zip(before.buffers, after.buffers, strict=False):
        assert np.array_equal(one.data, other.data)
    assert (before.version, before.description) == (after.version, after.description)
    assert list(before.metadataBuffer) == list(after.metadataBuffer)
    for one, other in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True):
        assert (one.name, one.buffer, list(one.shape)) == (other.name, other.buffer, list(other.shape))
    for one, other in zip(before.subgraphs[0].operators, after.subgraphs[0].operators, strict=True):
        assert (list(one.inputs), list(one.outputs)) == (list(other.inputs), list(other.outputs))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_weights_stay_where_the_runtime_reads_them_in_place(model):
    """The old bytes are whole at the end, behind a head of a multiple of 16 bytes."""
    half = with_half_precision(model)
    assert half.endswith(model)
    assert (len(half) - len(model)) % 16 == 0
    net = schema.Model.GetRootAs(half)
    for index in range(net.BuffersLength()):
        data = net.Buffers(index).DataAsNumpy()
        if not isinstance(data, int) and data.size >= 16:
            assert (data.ctypes.data - np.frombuffer(half, np.uint8).ctypes.data) % 16 == 0


@pytest.mark.parametrize(("part", "outputs"), [("detector, masks False", 2), ("landmarks, masks False", 5)])
def test_a_processor_without_half_precision_computes_the_same_bits(part, outputs):
    """The runtime takes the changed model, and this machine's answers do not change."""
    results = []
    for model in (MODELS[part], with_half_precision(MODELS[part])):
        network = Network(model, part, threads=1, outputs=outputs)
        picture = np.random.default_rng(1).random((network.size, network.size, 3), np.float32)
        network.fill(lambda into, picture=picture: np.copyto(into, picture))
        network.run()
        results.append([network.output(index).copy() for index in range(outputs)])
    for full, half in zip(*results, strict=True):
        np.testing.assert_array_equal(full, half)


def test_twice_is_as_once():
    """A model that allows it already says so once."""
    half = with_half_precision(with_half_precision(MODELS["detector, masks False"]))
    net = schema.Model.GetRootAs(half)
    assert [net.Metadata(index).Name() for index in range(net.MetadataLength())].count(SUPPORT) == 1


def test_full_precision_is_the_bundle_as_it_is():
    """Without being asked to, nothing is changed in the bytes that are read."""
    full, half = read_models(LITE), read_models(LITE, half=True)
    detector, landmarks = read_bundle(LITE.read_bytes())
    assert (full.detector.read(), full.landmarks.read()) == (detector, landmarks)
    assert half.detector.read() == with_half_precision(detector)
    assert half.landmarks.read() == with_half_precision(landmarks)


@pytest.mark.parametrize("size", [9, 20, 100, 1000])
def test_a_model_that_is_cut_off(size):
    """References beyond the end are an error of the model."""
    with pytest.raises(ModelError, match=rf"a whole TFLite model, found {size} bytes"):
        with_half_precision(b"\xff\xff\0\0TFL3" + bytes(size - 8))


def test_something_else():
    """What does not begin as a TFLite model does is not touched."""
    with pytest.raises(ModelError, match="expected a TFLite model"):
        with_half_precision(b"hello, I am no model")
