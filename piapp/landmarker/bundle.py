"""Makes Pose Landmarker bundles (`.task`): bytes in, bytes out, the same bytes on every machine.

Owns the format: the zip container, TFLite metadata, alignment, and the variant without the segmentation head and with
sparse weights written out. Does not own files, downloads or hashes; those are `model` and `origin`.

A bundle is an uncompressed zip of two TFLite models. MediaPipe reads them in place, so the runtime wants every
weight at a multiple of 16 bytes: of the entry within the bundle, and of the buffer within the model.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

from piapp import extras
from piapp.errors import ModelError

DETECTOR_ENTRY = "pose_detector.tflite"
LANDMARKS_ENTRY = "pose_landmarks_detector.tflite"
ALIGNMENT = 16

_METADATA_NAME = "TFLITE_METADATA"
_METADATA_IDENTIFIER = b"M001"
_MODEL_IDENTIFIER = b"TFL3"
# (mean, std) of the input tensor, so that (pixel - mean) / std is what the network was trained on: -1..1 and 0..1.
# mediapipe/modules/pose_detection and pose_landmark, output_tensor_float_range of ImageToTensorCalculator.
_DETECTOR_RANGE = (127.5, 127.5)
_LANDMARKS_RANGE = (0.0, 255.0)
# The landmark model's third output; the other four are landmarks, presence, heat map and world landmarks.
_MASK_OUTPUT = 2
_MASK_SHAPE = [1, 256, 256, 1]
_OUTPUTS = 5

# The largest known, of the heavy bundle, has 28 MB.
MAX_MODEL_BYTES = 128 << 20

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIP_LOCAL_HEADER = 30
# Extra field "Android zipalign": u16 id, u16 size, u16 alignment, zeros.
_ZIP_PADDING_ID = 0xD935
_ZIP_PADDING_HEADER = 6


def build_bundle(detector: bytes, landmarks: bytes) -> bytes:
    """Make the complete bundle from the two bare TFLite models.

    Args:
        detector: Person detector, input (1, 224, 224, 3) float32.
        landmarks: Landmark model, input (1, 256, 256, 3) float32, five outputs.

    Raises:
        ModelError: One of them is no TFLite model.
    """
    return write_bundle(_describe(detector, _DETECTOR_RANGE), _describe(landmarks, _LANDMARKS_RANGE))


def landmarks_only(bundle: bytes) -> bytes:
    """Make the variant without the segmentation head: bit-identical landmarks for 40 % less work, masks all zero.

    The detector's sparse weights are written out besides: 3 MB more on disk, but 5 MB less in memory and 40 ms less at
    each start than when the runtime does it (measured).

    Raises:
        ModelError: This is no bundle, its landmark model has other outputs than the known ones, or its detector's
            weights are sparse in another way.
    """
    detector, landmarks = read_bundle(bundle)
    return write_bundle(_write_out(detector), _drop_mask(landmarks))


def read_bundle(bundle: bytes) -> tuple[bytes, bytes]:
    """The bundle's (detector, landmark model).

    Raises:
        ModelError: This is no zip of the two TFLite models.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            detector, landmarks = _read_entry(archive, DETECTOR_ENTRY), _read_entry(archive, LANDMARKS_ENTRY)
    except KeyError as error:
        raise ModelError(f"expected a bundle with {DETECTOR_ENTRY} and {LANDMARKS_ENTRY}: {error.args[0]}") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"expected a bundle, which is a zip file: {error}") from error
    for name, model in ((DETECTOR_ENTRY, detector), (LANDMARKS_ENTRY, landmarks)):
        if model[4:8] != _MODEL_IDENTIFIER:
            raise ModelError(f"expected {name} to be a TFLite model (TFL3 at byte 4), found {model[4:8]!r}")
    return detector, landmarks


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """One file of a bundle; its size is checked before it is unpacked.

    Raises:
        ModelError: It is larger than any model.
        KeyError: It is not there.
    """
    entry = archive.getinfo(name)
    if entry.file_size > MAX_MODEL_BYTES:
        raise ModelError(f"{name} would unpack to {entry.file_size} bytes, so it is no model")
    with archive.open(entry) as file:
        return file.read(MAX_MODEL_BYTES)


def write_bundle(detector: bytes, landmarks: bytes) -> bytes:
    """Pack the two models, stored, dated 1980, each starting at a multiple of 16."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, model in ((DETECTOR_ENTRY, detector), (LANDMARKS_ENTRY, landmarks)):
            archive.writestr(_zip_entry(name, file.tell()), model)
    return file.getvalue()


def _zip_entry(name: str, offset: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
    entry.create_system = 3  # the default is the machine's own
    entry.external_attr = 0o644 << 16
    padding = -(offset + _ZIP_LOCAL_HEADER + len(name) + _ZIP_PADDING_HEADER) % ALIGNMENT
    entry.extra = struct.pack("<HHH", _ZIP_PADDING_ID, 2 + padding, ALIGNMENT) + bytes(padding)
    return entry


def _describe(model: bytes, value_range: tuple[float, float]) -> bytes:
    """Add the metadata without which MediaPipe refuses the model: how its input is normalised."""
    net = _unpack(model)
    net.buffers.append(_buffer(_metadata(*value_range)))
    entry = _table(_schema().MetadataT, name=_METADATA_NAME, buffer=len(net.buffers) - 1)
    net.metadata = [*(net.metadata or []), entry]
    return _pack(net, _MODEL_IDENTIFIER)


def _metadata(mean: float, std: float) -> bytes:
    with extras.mediapipe("building a model bundle"):
        # It imports all of MediaPipe.
        from mediapipe.tasks.metadata import metadata_schema_py_generated as schema  # noqa: PLC0415

    options = _table(schema.NormalizationOptionsT, mean=[mean], std=[std])
    unit = _table(schema.ProcessUnitT, optionsType=schema.ProcessUnitOptions.NormalizationOptions, options=options)
    image = _table(schema.ImagePropertiesT, colorSpace=schema.ColorSpaceType.RGB)
    properties = schema.ContentProperties.ImageProperties
    content = _table(schema.ContentT, contentPropertiesType=properties, contentProperties=image)
    tensor = _table(schema.TensorMetadataT, name="image", content=content, processUnits=[unit])
    graph = _table(schema.SubGraphMetadataT, inputTensorMetadata=[tensor])
    return _pack(_table(schema.ModelMetadataT, subgraphMetadata=[graph]), _METADATA_IDENTIFIER)


def _drop_mask(model: bytes) -> bytes:
    """Drop what feeds only the mask and make the mask a constant of zeros.

    Tensors keep their numbers, so whatever refers to one stays right; weights that nobody reads any more are emptied.
    """
    net = _unpack(model)
    graph = net.subgraphs[0]
    mask = _mask_tensor(graph)
    graph.operators = _operators_behind(graph, [output for output in graph.outputs if output != mask])
    _empty_unread_buffers(net)
    net.buffers.append(_buffer(bytes(4 * int(np.prod(_MASK_SHAPE)))))
    graph.tensors[mask].buffer = len(net.buffers) - 1
    return _pack(net, _MODEL_IDENTIFIER)


def _write_out(model: bytes) -> bytes:
    """Replace DENSIFY operators, which expand sparse weights into tensors of their own, by what they give."""
    net = _unpack(model)
    graph = net.subgraphs[0]
    kept = []
    for operator in graph.operators:
        if net.operatorCodes[operator.opcodeIndex].builtinCode != _schema().BuiltinOperator.DENSIFY:
            kept.append(operator)
            continue
        sparse, dense = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        net.buffers.append(_buffer(_expanded(sparse, net.buffers[sparse.buffer].data)))
        dense.buffer = len(net.buffers) - 1
        sparse.sparsity = None
    graph.operators = kept
    _empty_unread_buffers(net)
    return _pack(net, _MODEL_IDENTIFIER)


def _expanded(tensor: Any, values: npt.NDArray[np.uint8]) -> bytes:
    """All values of a float16 tensor whose last axis is in compressed rows, which is how the detector's are.

    SparsityParameters in tensorflow/lite/schema/schema.fbs.
    """
    schema, sparsity = _schema(), tensor.sparsity
    forms = [axis.format for axis in sparsity.dimMetadata]
    rows_are_compressed = forms == [schema.DimensionType.DENSE] * (len(forms) - 1) + [schema.DimensionType.SPARSE_CSR]
    in_order = list(sparsity.traversalOrder) == list(range(len(tensor.shape)))
    if tensor.type != schema.TensorType.FLOAT16 or not rows_are_compressed or not in_order:
        raise ModelError(f"expected float16 weights in compressed rows, found another form in tensor {tensor.name}")
    dense = np.zeros(tensor.shape, np.uint16)
    rows = dense.reshape(-1, tensor.shape[-1])
    last = sparsity.dimMetadata[-1]
    ends: npt.NDArray[np.int64] = np.asarray(last.arraySegments.values, np.int64)
    rows[np.repeat(np.arange(len(rows)), ends[1:] - ends[:-1]), last.arrayIndices.values] = values.view(np.uint16)
    return dense.tobytes()


def _mask_tensor(graph: Any) -> int:
    shapes = [[int(size) for size in graph.tensors[output].shape] for output in graph.outputs]
    if len(shapes) != _OUTPUTS or shapes[_MASK_OUTPUT] != _MASK_SHAPE:
        raise ModelError(
            f"expected five outputs, the third {_MASK_SHAPE}, to drop the segmentation head; found {shapes}"
        )
    return int(graph.outputs[_MASK_OUTPUT])


def _operators_behind(graph: Any, outputs: Iterable[int]) -> list[Any]:
    """The operators that the outputs need, in the graph's order, which is the order of execution."""
    needed = set(outputs)
    kept = []
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs):
            needed.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _empty_unread_buffers(net: Any) -> None:
    graph = net.subgraphs[0]
    read = {graph.tensors[index].buffer for operator in graph.operators for index in operator.inputs if index >= 0}
    described = {entry.buffer for entry in net.metadata or []}
    for tensor in graph.tensors:
        if tensor.buffer not in read | described:
            net.buffers[tensor.buffer].data = None


def _schema() -> Any:
    """The TFLite schema's generated classes; MediaPipe carries them, and importing them imports all of it."""
    with extras.mediapipe("building a model bundle"):
        from mediapipe.tasks.metadata import schema_py_generated  # noqa: PLC0415

    return schema_py_generated


def _unpack(model: bytes) -> Any:
    if model[4:8] != _MODEL_IDENTIFIER:
        raise ModelError(f"expected a TFLite model (TFL3 at byte 4), found {model[4:8]!r}")
    return _schema().ModelT.InitFromPackedBuf(model)


def _buffer(data: bytes) -> Any:
    return _table(_schema().BufferT, data=np.frombuffer(data, np.uint8))


def _table(cls: type[Any], **values: Any) -> Any:
    """A table with these fields; the generated classes of MediaPipe 0.10 take none in their constructor."""
    table = cls()
    for name, value in values.items():
        setattr(table, name, value)
    return table


def _pack(table: Any, identifier: bytes) -> bytes:
    builder = _AligningBuilder(1 << 20)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())


class _AligningBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers is untyped
    """Starts byte vectors, which hold weights, at multiples of 16; upstream's keeps an array's own alignment, 1."""

    head: int

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802 - upstream's name
        if x.dtype != np.uint8:
            return int(super().CreateNumpyVector(x))
        self.StartVector(1, x.size, ALIGNMENT)
        self.head = self.head - x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        return int(self.EndVector())
