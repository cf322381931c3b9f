"""Pictures of figures in a room, by OpenGL on any EGL device; and what a poor camera makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import moderngl
import numpy as np
import numpy.typing as npt
from body import Figure, vertex_normals
from camera import Camera, look_at, perspective
from room import Quad, triangles

SHADERS = Path(__file__).with_name("shaders")
LAMP = np.array([0.9, 2.45, 0.9])
SHADOW_SIZE = 2048
SAMPLES = 4
STATIC_LAYOUT = "3f 3f 3f 3f 1f"
STATIC_FLOATS = 13
STATIC_NAMES = ("position", "normal", "rest", "color", "material")

# The space that light reaches, hall included: lowest and highest corner.
LIT_LOW, LIT_HIGH = np.array([-3.5, 0.0, -4.1]), np.array([2.5, 2.6, 2.5])

_Drawn = tuple[moderngl.VertexArray, moderngl.VertexArray]  # as seen, and as casting a shadow
Area = tuple[int, int, int, int]  # left, top, width, height; pixels


@dataclass(frozen=True)
class Sensor:
    """How the camera degrades the picture.

    Attributes:
        exposure: Factor on the light before the tone curve.
        noise: Standard deviation of the noise, in levels of 255.
        blur_px: Standard deviation of a Gaussian blur.
    """

    exposure: float = 1.0
    noise: float = 0.0
    blur_px: float = 0.0

    def degrade(self, image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """The picture with blur and noise; (height, width, 3) uint8."""
        if self.blur_px:
            image = cv2.GaussianBlur(image, (0, 0), self.blur_px)
        if not self.noise:
            return image
        grain = rng.normal(0.0, self.noise, image.shape)
        return np.clip(image + grain, 0, 255).astype(np.uint8)


class Renderer:
    """Draws one scene; holds a GL context, which belongs to the thread that made it.

    Args:
        figures: Who is in the scene; `draw` takes their vertices in this order.
        still: What never moves.
        exposure: Factor on the light.
        stretch: How much wider than usual the room is.
    """

    def __init__(
        self,
        figures: Sequence[Figure],
        still: Sequence[Quad],
        camera: Camera,
        exposure: float = 1.0,
        stretch: float = 1.0,
    ) -> None:
        self._camera, self._exposure, self._stretch = camera, exposure, stretch
        self._size = size = camera.width, camera.height
        self._context = gl = moderngl.create_context(standalone=True, backend="egl", require=330)
        self._smooth = gl.simple_framebuffer(size, components=3, samples=SAMPLES)
        self._plain = gl.simple_framebuffer(size, components=3)
        self._shadow_map = _shadow_texture(gl)
        self._shadow = gl.framebuffer(depth_attachment=self._shadow_map)
        self._scene_program = _program(gl, "scene.vert", "scene.frag")
        self._shadow_program = _program(gl, "shadow.vert", "shadow.frag")
        self._light = perspective(1, 1.9, 1.9, 0.2, 8) @ look_at(LAMP, (-0.2, 0, -0.3), (0, 0, -1))
        self._still = self._boxes(triangles(still))
        self._empty: npt.NDArray[np.uint8] | None = None
        self._figures = [_DrawnFigure(gl, self._scene_program, self._shadow_program, figure) for figure in figures]

    def draw(self, vertices: Sequence[npt.NDArray[np.float32]], carried: Sequence[Quad] = ()) -> npt.NDArray[np.uint8]:
        """The picture (height, width, 3) uint8 RGB; `carried` are things that move."""
        rows = triangles(carried) if carried else np.zeros((0, STATIC_FLOATS), np.float32)
        props = self._boxes(rows) if carried else None
        if self._empty is None:
            self._empty = self._picture(None, (), (0, 0, *self._size))
        for figure, posed in zip(self._figures, vertices, strict=True):
            figure.upload(posed)
        x, y, width, height = area = affected(self._camera, np.concatenate([*vertices, rows[:, :3]]), self._stretch)
        drawn = self._picture(props, self._figures, area)
        image = self._empty.copy()
        inside = np.s_[y : y + height, x : x + width]
        image[inside] = drawn[inside]
        return image

    def release(self) -> None:
        """Give the context back."""
        self._context.release()

    def _picture(self, props: _Drawn | None, figures: Sequence[_DrawnFigure], area: Area) -> npt.NDArray[np.uint8]:
        """A picture that is right inside of `area`."""
        self._draw_shadows(props, figures)
        self._draw_scene(props, figures, area)
        self._context.copy_framebuffer(self._plain, self._smooth)
        data = np.frombuffer(self._plain.read(components=3), np.uint8)
        return data.reshape(self._size[1], self._size[0], 3)[::-1]

    def _boxes(self, rows: npt.NDArray[np.float32]) -> _Drawn:
        gl, buffer = self._context, self._context.buffer(rows.tobytes())
        seen = gl.vertex_array(self._scene_program, [(buffer, STATIC_LAYOUT, *STATIC_NAMES)])
        return seen, gl.vertex_array(self._shadow_program, [(buffer, "3f 40x", "position")])

    def _draw_shadows(self, props: _Drawn | None, figures: Sequence[_DrawnFigure]) -> None:
        gl = self._context
        gl.enable(moderngl.DEPTH_TEST)
        gl.disable(moderngl.CULL_FACE)
        self._shadow.use()
        self._shadow.clear(depth=1.0)
        _write(self._shadow_program, light_from_world=self._light)
        for figure in figures:
            figure.shadow.render()
        if props:
            props[1].render()

    def _draw_scene(self, props: _Drawn | None, figures: Sequence[_DrawnFigure], area: Area) -> None:
        gl, program = self._context, self._scene_program
        x, y, width, height = area
        self._smooth.use()
        self._smooth.scissor = (x, self._size[1] - y - height, width, height)
        self._smooth.clear(0.05, 0.05, 0.05)
        self._shadow_map.use(0)
        _write(program, clip_from_world=self._camera.clip_from_world, light_from_world=self._light)
        program["shadow_map"], program["exposure"] = 0, self._exposure
        program["eye"], program["lamp"] = self._camera.eye, tuple(LAMP)
        gl.enable(moderngl.CULL_FACE)
        self._still[0].render()
        gl.disable(moderngl.CULL_FACE)
        if props:
            props[0].render()
        for figure in figures:
            program["eye_height"] = figure.eye_height
            figure.seen.render()


class _DrawnFigure:
    """A figure's buffers on the device."""

    def __init__(self, gl: moderngl.Context, scene: moderngl.Program, shadow: moderngl.Program, figure: Figure) -> None:
        self.eye_height = figure.eye_height
        self._faces = figure.faces
        self._posed = gl.buffer(reserve=len(figure.rest) * 24, dynamic=True)
        fixed = np.concatenate([figure.rest, figure.colors, figure.materials[:, None]], axis=1)
        fixed_buffer = gl.buffer(fixed.astype(np.float32).tobytes())
        indices = gl.buffer(figure.faces.astype(np.int32).tobytes())
        layout = [(self._posed, "3f 3f", "position", "normal"), (fixed_buffer, "3f 3f 1f", "rest", "color", "material")]
        self.seen = gl.vertex_array(scene, layout, indices)
        self.shadow = gl.vertex_array(shadow, [(self._posed, "3f 12x", "position")], indices)

    def upload(self, posed: npt.NDArray[np.float32]) -> None:
        normals = vertex_normals(posed, self._faces)
        self._posed.write(np.concatenate([posed, normals], axis=1).astype(np.float32).tobytes())


def affected(camera: Camera, points: npt.NDArray[np.float32], stretch: float = 1.0, margin_px: int = 4) -> Area:
    """The part of the picture that shows `points` (n, 3) and the shadows they cast; the rest is the empty room."""
    wider = np.array([stretch, 1.0, stretch])
    some = points[::5].astype(float)
    rays = some - LAMP
    rays[rays == 0] = 1e-9
    reach = (np.where(rays > 0, LIT_HIGH * wider, LIT_LOW * wider) - LAMP) / rays
    ends = LAMP + rays * reach.min(axis=1, keepdims=True)
    seen = camera.project(np.concatenate([points, ends]))
    if seen[:, 2].min() < 0.1:
        return 0, 0, camera.width, camera.height
    size = camera.width, camera.height
    low = np.clip(np.floor(seen[:, :2].min(axis=0)) - margin_px, 0, size).astype(int)
    high = np.clip(np.ceil(seen[:, :2].max(axis=0)) + margin_px, 0, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _shadow_texture(gl: moderngl.Context) -> moderngl.Texture:
    texture = gl.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
    texture.compare_func = "<="
    texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
    texture.repeat_x = texture.repeat_y = False
    return texture


def _program(gl: moderngl.Context, vertex: str, fragment: str) -> moderngl.Program:
    sources = (SHADERS / vertex).read_text(), (SHADERS / fragment).read_text()
    return gl.program(vertex_shader=sources[0], fragment_shader=sources[1])


def _write(program: moderngl.Program, **matrices: npt.NDArray[np.float64]) -> None:
    for name, matrix in matrices.items():
        program[name].write(matrix.T.astype(np.float32).tobytes())
