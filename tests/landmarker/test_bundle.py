import io
import os
import re
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import flatbuffers
import mediapipe as mp
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as schema
from mediapipe.tasks.python import BaseOptions, vision

from piapp.errors import ModelError
from piapp.landmarker import bundle as bundles
from piapp.landmarker.model import build_from_package, load_registry, shipped_folder
from piapp.landmarker.origin import no_progress, sha256

CLIP = Path(__file__).resolve().parents[2] / "piapp" / "media" / "room_demo.mp4"
NPM_VARIABLE = "PIAPP_POSE_NPM"
COMPLETE = "pose_landmarker_lite.task"
LANDMARKS = "pose_landmarker_lite_landmarks.task"
BOTH = pytest.mark.parametrize("name", [COMPLETE, LANDMARKS])


def shipped(name):
    return (shipped_folder() / name).read_bytes()


def graph_of(model):
    return schema.ModelT.InitFromPackedBuf(model)


def packed(net):
    builder = flatbuffers.Builder()
    builder.Finish(net.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def frames(count):
    """Frames of the bundled clip in which the person sits down."""
    video = cv2.VideoCapture(str(CLIP))
    for _ in range(130):
        video.grab()
    pictures = [video.read()[1] for _ in range(count)]
    video.release()
    return [np.ascontiguousarray(picture[:, :, ::-1]) for picture in pictures]


def detect(path, pictures, *, masks=False):
    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(path)),
        running_mode=vision.RunningMode.VIDEO,
        output_segmentation_masks=masks,
    )
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        images = [mp.Image(image_format=mp.ImageFormat.SRGB, data=picture) for picture in pictures]
        return [landmarker.detect_for_video(image, 1 + 66 * number) for number, image in enumerate(images)]


def as_array(result):
    """(poses, 2, 33, 5): landmarks and world landmarks."""
    sides = zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
    return np.array(
        [[[(p.x, p.y, p.z, p.visibility, p.presence) for p in points] for points in pose] for pose in sides]
    )


@pytest.fixture(scope="module")
def npm_package(tmp_path_factory):
    """The npm package: `$PIAPP_POSE_NPM`, else what npm gets."""
    if os.environ.get(NPM_VARIABLE):
        return Path(os.environ[NPM_VARIABLE])
    if shutil.which("npm") is None:
        pytest.skip(f"RECIPE NOT REBUILT FROM ITS INPUTS: no npm here, and {NPM_VARIABLE} does not name the package")
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "pack", load_registry().package, "--silent", "--pack-destination", str(folder)]
    once = os.environ | {"npm_config_fetch_retries": "0"}
    if subprocess.run(command, cwd=folder, env=once, capture_output=True, timeout=100, check=False).returncode:
        pytest.skip(f"RECIPE NOT REBUILT FROM ITS INPUTS: npm gets no package here; {NPM_VARIABLE} may name it")
    return next(folder.glob("*.tgz"))


@pytest.mark.parametrize("model", ["lite", "full", "heavy"])
def test_recipe_rebuilds_every_pinned_bundle_from_its_inputs(npm_package, model):
    """From the npm package come exactly the bytes that the registry pins, for both variants of all models."""
    registry = load_registry()
    complete = build_from_package(model, registry, source=npm_package, progress=no_progress)
    variants = registry.models[model].variants
    assert sha256(complete) == variants["complete"].sha256
    assert sha256(bundles.landmarks_only(complete)) == variants["landmarks"].sha256


def test_recipe_makes_the_landmarks_variant_from_the_complete_one():
    """The shipped landmarks variant is the shipped complete one without its segmentation head, byte for byte."""
    assert bundles.landmarks_only(shipped(COMPLETE)) == shipped(LANDMARKS)


def test_landmarks_variant_gives_bit_identical_landmarks(capfd):
    """Over 60 real frames both variants agree in every bit, and the runtime has no unaligned buffer to copy."""
    pictures = frames(60)
    complete, landmarks = (detect(shipped_folder() / name, pictures) for name in (COMPLETE, LANDMARKS))
    for frame, (one, other) in enumerate(zip(complete, landmarks, strict=True)):
        assert as_array(one).shape == (1, 2, 33, 5), f"nobody seen in frame {frame}"
        assert as_array(one).tobytes() == as_array(other).tobytes(), f"frame {frame}"
    assert "unaligned" not in capfd.readouterr().err


def test_unaligned_entries_would_be_noticed(tmp_path, capfd):
    """A bundle zipped without alignment makes the runtime complain: the absence of that means something."""
    detector, landmarks = bundles.read_bundle(shipped(COMPLETE))
    path = tmp_path / "unaligned.task"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(bundles.DETECTOR_ENTRY, detector)
        archive.writestr(bundles.LANDMARKS_ENTRY, landmarks)
    detect(path, [])
    assert "unaligned" in capfd.readouterr().err


def test_complete_variant_makes_masks_and_the_landmarks_variant_zeros():
    """Masks come from the complete bundle; the other one keeps five outputs and answers with an empty mask."""
    covered = {}
    for name in (COMPLETE, LANDMARKS):
        (result,) = detect(shipped_folder() / name, frames(1), masks=True)
        covered[name] = float((result.segmentation_masks[0].numpy_view() > 0.5).mean())
    assert 0.01 < covered[COMPLETE] < 0.5
    assert covered[LANDMARKS] == 0.0


@BOTH
def test_zip_entries_are_stored_undated_and_aligned(name):
    """Both models lie uncompressed at multiples of 16, dated 1980, readable by any zip program."""
    data = shipped(name)
    with zipfile.ZipFile(shipped_folder() / name) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [bundles.DETECTOR_ENTRY, bundles.LANDMARKS_ENTRY]
        for entry in archive.infolist():
            name_length, extra_length = struct.unpack_from("<HH", data, entry.header_offset + 26)
            start = entry.header_offset + 30 + name_length + extra_length
            assert start % 16 == 0
            assert data[start + 4 : start + 8] == b"TFL3"
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)


@BOTH
def test_weights_start_at_multiples_of_16(name):
    """Every buffer of both models is aligned within its model."""
    for model in bundles.read_bundle(shipped(name)):
        root = schema.Model.GetRootAsModel(model, 0)
        buffers = [root.Buffers(index).DataAsNumpy() for index in range(root.BuffersLength())]
        begin = np.frombuffer(model, np.uint8).ctypes.data
        starts = [buffer.ctypes.data - begin for buffer in buffers if isinstance(buffer, np.ndarray)]
        assert len(starts) > 100
        assert {start % 16 for start in starts} == {0}


@BOTH
def test_metadata_says_how_inputs_are_normalised(name):
    """NormalizationOptions: -1..1 for the detector, 0..1 for the landmark model."""
    for model, expected in zip(bundles.read_bundle(shipped(name)), [(127.5, 127.5), (0.0, 255.0)], strict=True):
        net = graph_of(model)
        (entry,) = [entry for entry in net.metadata if entry.name == b"TFLITE_METADATA"]
        metadata = metadata_schema.ModelMetadataT.InitFromPackedBuf(net.buffers[entry.buffer].data.tobytes())
        (tensor,) = metadata.subgraphMetadata[0].inputTensorMetadata
        options = tensor.processUnits[0].options
        assert (list(options.mean), list(options.std)) == ([expected[0]], [expected[1]])


def test_only_the_segmentation_head_is_dropped():
    """Five outputs of the same names and shapes, 47 operators fewer, the mask a constant."""
    (_, complete), (_, landmarks) = (bundles.read_bundle(shipped(name)) for name in (COMPLETE, LANDMARKS))
    one, other = graph_of(complete).subgraphs[0], graph_of(landmarks)
    graph = other.subgraphs[0]

    def outputs(graph):
        return [(graph.tensors[index].name, list(graph.tensors[index].shape)) for index in graph.outputs]

    assert outputs(one) == outputs(graph)
    assert len(one.operators) - len(graph.operators) == 47
    mask = other.buffers[graph.tensors[graph.outputs[2]].buffer].data
    assert mask.size == 4 * 256 * 256
    assert not mask.any()


def answers(detector, picture):
    """All numbers that a detector gives for a picture."""
    interpreter = Interpreter(model_content=detector, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def test_the_detector_with_its_weights_written_out_answers_the_same_bits():
    """None of the 38 operators that expand weights is left, and nothing else is changed."""
    (sparse, _), (dense, _) = (bundles.read_bundle(shipped(name)) for name in (COMPLETE, LANDMARKS))
    one, other = (graph_of(model).subgraphs[0] for model in (sparse, dense))
    assert len(one.operators) - len(other.operators) == 38
    noise = np.random.default_rng(7).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    (picture,) = frames(1)
    seen = cv2.resize(picture, (224, 224)).astype(np.float32)[np.newaxis] / 127.5 - 1
    for image in (noise, seen):
        for expected, found in zip(answers(sparse, image), answers(dense, image), strict=True):
            assert expected.tobytes() == found.tobytes()
            assert expected.std() > 0.1


def test_weights_that_are_sparse_in_another_way_are_refused():
    """Nothing is guessed: such a model is left as it is."""
    sparse, landmarks = bundles.read_bundle(shipped(COMPLETE))
    net = graph_of(sparse)
    tensor = next(tensor for tensor in net.subgraphs[0].tensors if tensor.sparsity is not None)
    tensor.sparsity.traversalOrder = tensor.sparsity.traversalOrder[::-1]
    with pytest.raises(ModelError, match="expected float16 weights in compressed rows"):
        bundles.landmarks_only(bundles.write_bundle(packed(net), landmarks))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and then rubbish", b"\x00" * 1000])
def test_what_is_no_zip_is_refused(data):
    """Empty, broken and other files are a ModelError that says what was expected."""
    with pytest.raises(ModelError, match="zip"):
        bundles.read_bundle(data)


def test_a_bundle_cut_anywhere_is_refused():
    """A truncated bundle never passes for a bundle."""
    data = shipped(COMPLETE)
    for size in (10, 1000, len(data) // 2, len(data) - 100, len(data) - 1):
        with pytest.raises(ModelError):
            bundles.read_bundle(data[:size])


def test_a_flipped_bit_in_the_weights_is_refused():
    """The zip's checksums are looked at."""
    data = bytearray(shipped(COMPLETE))
    data[3_000_000] ^= 1
    with pytest.raises(ModelError, match="CRC"):
        bundles.read_bundle(bytes(data))


def test_a_zip_of_other_things_is_refused(tmp_path):
    """Missing entries are named; entries that are no TFLite model too."""
    path = tmp_path / "other.task"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(bundles.DETECTOR_ENTRY, b"not a model")
    with pytest.raises(ModelError, match=re.escape(bundles.LANDMARKS_ENTRY)):
        bundles.read_bundle(path.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(bundles.LANDMARKS_ENTRY, b"nor this")
    with pytest.raises(ModelError, match="TFL3"):
        bundles.read_bundle(path.read_bytes())


def test_a_landmark_model_with_other_outputs_keeps_its_head():
    """Pruning refuses a graph that it does not know instead of guessing."""
    detector, _ = bundles.read_bundle(shipped(COMPLETE))
    with pytest.raises(ModelError, match="expected five outputs"):
        bundles.landmarks_only(bundles.write_bundle(detector, detector))


def test_building_from_what_is_no_model_is_refused():
    """The recipe checks its inputs' form."""
    with pytest.raises(ModelError, match="TFL3"):
        bundles.build_bundle(b"nothing of the kind", b"")


def test_card_and_shipped_files_agree_with_the_registry():
    """models/README.md states sizes, hashes and package as models.json has them."""
    registry = load_registry()
    card = (shipped_folder() / "README.md").read_text(encoding="utf-8")
    assert registry.package in card
    for pin in registry.models["lite"].variants.values():
        assert f"| `{pin.file}` | {pin.bytes:,} | `{pin.sha256}` |" in card
        assert sha256(shipped(pin.file)) == pin.sha256
        assert len(shipped(pin.file)) == pin.bytes


def test_flatbuffers_is_new_enough_for_pinned_bytes():
    """The environment's flatbuffers lays out tables as the pinned hashes were made with."""
    major, minor = (int(part) for part in flatbuffers.__version__.split(".")[:2])
    assert (major, minor) >= (25, 12)


def test_a_bundle_that_unpacks_for_ever_is_not_unpacked():
    """Its sizes are read before its content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in (bundles.DETECTOR_ENTRY, bundles.LANDMARKS_ENTRY):
            with archive.open(name, "w") as entry:
                for _ in range(bundles.MAX_MODEL_BYTES // (1 << 20) + 1):
                    entry.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ModelError, match="would unpack to"):
        bundles.read_bundle(file.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_a_bundle_whose_sizes_lie_is_cut_off():
    """What says it is small, and goes on, is read no further than a model can be."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (bundles.DETECTOR_ENTRY, bundles.LANDMARKS_ENTRY):
            archive.writestr(name, bytes(1 << 20))
    lying = file.getvalue().replace((1 << 20).to_bytes(4, "little"), (64).to_bytes(4, "little"))
    with pytest.raises(ModelError):
        bundles.read_bundle(lying)
