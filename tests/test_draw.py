"""Drawing and writing pictures and videos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from piapp import draw
from piapp.camera.pictures import read_image
from piapp.camera.video import VideoFile
from piapp.testing.landmarker import standing_pose
from piapp.types import Pose, PoseLabel
from tests.support.full_disk import file_size_limit


def grey(width=320, height=240):
    """A grey picture."""
    return np.full((height, width, 3), 90, np.uint8)


def test_the_picture_given_is_left_alone_and_the_copy_shows_the_pose():
    """A skeleton where the landmarks are, in the person's colour."""
    picture, pose = grey(), standing_pose()
    drawn = draw.annotate(picture, (pose,), (PoseLabel(0, "standing"),))
    assert (picture == 90).all()
    x, y = (pose.landmarks[23, :2] * (320, 240)).astype(int)
    assert tuple(drawn[y, x]) == draw.COLOURS[0]
    changed = np.abs(drawn.astype(int) - picture).any(axis=2)
    assert not changed[:, :80].any()
    assert not changed[:, 240:].any()


def test_people_have_colours_of_their_own():
    """By id where there is one, so that a person keeps it from frame to frame."""
    poses = (standing_pose(0.25), standing_pose(0.75))

    def colours(labels):
        drawn = draw.annotate(grey(), poses, labels)
        spots = [(pose.landmarks[23, :2] * (320, 240)).astype(int) for pose in poses]
        return [tuple(drawn[y, x]) for x, y in spots]

    assert colours(()) == [draw.COLOURS[0], draw.COLOURS[1]]
    assert colours((PoseLabel(3, "unknown"), PoseLabel(1, "unknown"))) == [draw.COLOURS[3], draw.COLOURS[1]]
    assert len(set(draw.COLOURS)) == len(draw.COLOURS)


def test_hidden_landmarks_are_left_out():
    """What the model itself thinks hidden; unknown visibility is drawn."""
    pose = standing_pose()
    for visibility, shown in ((0.1, False), (np.nan, True), (0.9, True)):
        landmarks = pose.landmarks.copy()
        landmarks[:, 3] = visibility
        drawn = draw.annotate(grey(), (Pose(landmarks, pose.world_landmarks),))
        assert (drawn != 90).any() == shown


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -5.0])
def test_landmarks_far_outside_do_no_harm(value):
    """A model may place what it cannot see anywhere."""
    pose = standing_pose()
    landmarks = pose.landmarks.copy()
    landmarks[25:, :2] = value
    drawn = draw.annotate(grey(), (Pose(landmarks, pose.world_landmarks),), (PoseLabel(1, "standing"),))
    assert (drawn != 90).any()


def test_a_mask_tints_the_body_only():
    """Half of the picture masked, half not; weight by the mask's own value."""
    mask = np.zeros((240, 320), np.float32)
    mask[:, 290:] = 1.0
    pose = standing_pose()
    drawn = draw.annotate(grey(), (Pose(pose.landmarks, pose.world_landmarks, mask),))
    assert (drawn[:, 300] != 90).any()
    assert (drawn[:, 20] == 90).all()


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((640, 480), (640, 480)),
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (360, 640)),
        ((320, 240), (320, 240)),
        ((5000, 1), (640, 1)),
    ],
)
def test_sent_pictures_have_the_frame_s_shape_and_a_bounded_size(size, sent):
    """Small ones are not blown up; both kinds and their masks agree."""
    pose = standing_pose()
    masked = Pose(pose.landmarks, pose.world_landmarks, np.ones((size[1], size[0]), np.float32))
    for picture in (draw.skeleton_picture(size, (masked,)), draw.photo_picture(grey(*size), (masked,))):
        assert (picture.shape[1], picture.shape[0]) == sent


def test_a_skeleton_picture_holds_landmarks_and_nothing_else():
    """The ground is one colour, and a mask, the outline of a body, is left out."""
    pose = standing_pose()
    mask = np.ones((240, 320), np.float32)
    label = (PoseLabel(1, "standing"),)
    drawn = draw.skeleton_picture((320, 240), (Pose(pose.landmarks, pose.world_landmarks, mask),), label)
    np.testing.assert_array_equal(drawn, draw.skeleton_picture((320, 240), (pose,), label))
    assert (drawn[:, :80] == draw.EMPTY).all()
    assert (drawn != draw.EMPTY).any()
    assert (draw.skeleton_picture((320, 240), ()) == draw.EMPTY).all()


def test_jpeg_keeps_the_channels_order(tmp_path):
    """What is encoded is read back in the same colours."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 250
    (tmp_path / "a.jpg").write_bytes(draw.encode_jpeg(picture))
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg"), picture, atol=12)


@pytest.mark.parametrize("size", [(1, 1), (16, 3), (3, 16), (40, 40)])
def test_tiny_pictures(size):
    """The label has no room and must not fail."""
    drawn = draw.annotate(grey(*size), (standing_pose(),), (PoseLabel(1, "standing"),))
    assert drawn.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.jpg", "a.webp"])
def test_pictures_are_written_in_rgb(tmp_path, name):
    """Channels keep their order; lossless kinds keep every value."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 250
    draw.write_image(tmp_path / name, picture)
    found = read_image(tmp_path / name)
    np.testing.assert_allclose(found, picture, atol=0 if name.endswith(("png", "bmp", "tiff")) else 12)


@pytest.mark.parametrize("name", ["a.xyz", "a", "gone/a.png"])
def test_pictures_that_cannot_be_written(tmp_path, name):
    """With the path and a reason; exit code 1."""
    with pytest.raises(draw.OutputError, match=name) as caught:
        draw.write_image(tmp_path / name, grey())
    assert caught.value.exit_code == 1


def test_videos_are_written(tmp_path):
    """Every picture, at the rate given."""
    path = tmp_path / "a.mp4"
    with draw.VideoWriter(path, 10.0, (64, 48)) as writer:
        for level in range(0, 250, 25):
            writer.write(np.full((48, 64, 3), level, np.uint8))
    with VideoFile(path) as video:
        levels = [int(image.mean()) for _, image in video.frames()]
        assert video.fps == 10.0
    np.testing.assert_allclose(levels, range(0, 250, 25), atol=6)


def test_a_video_that_cannot_be_written(tmp_path):
    """Said at once."""
    with pytest.raises(draw.OutputError, match="cannot be written"):
        draw.VideoWriter(tmp_path / "gone" / "a.mp4", 10.0, (64, 48))


def test_a_video_that_meets_a_full_disk(tmp_path):
    """An error with the reason, and no file that nothing can play."""
    path = tmp_path / "a.mp4"
    noise = np.random.default_rng(1)

    def fill_the_disk():
        with draw.VideoWriter(path, 10.0, (320, 240)) as writer:
            for _ in range(60):
                writer.write(noise.integers(0, 255, (240, 320, 3), np.uint8))

    with file_size_limit(200_000), pytest.raises(draw.OutputError, match=r"a\.mp4: cannot be written"):
        fill_the_disk()
    assert not path.exists()


def test_odd_sizes_lose_a_pixel(tmp_path):
    """H.264 knows only even ones."""
    with draw.VideoWriter(tmp_path / "a.mp4", 10.0, (65, 49)) as writer:
        writer.write(np.full((49, 65, 3), 100, np.uint8))
    with VideoFile(tmp_path / "a.mp4") as video:
        assert video.size == (64, 48)


def test_edges_are_lines_and_nothing_else():
    """A box before a wall gives its outline in one grey; a wall alone gives nothing; large pictures get smaller."""
    picture = grey(1600, 1200)
    assert not decoded(draw.edge_picture(picture)).any()
    picture[300:900, 400:1200] = 200
    lines = decoded(draw.edge_picture(picture))
    assert lines.shape == (300, draw.EDGE_WIDTH_PX)
    assert set(np.unique(lines).tolist()) == {0, draw.EDGE_GREY}
    ys, xs = np.nonzero(lines)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == pytest.approx((100, 300, 75, 225), abs=2)
    assert not lines[100:200, 120:280].any()


def decoded(png):
    """The values of a grey PNG file."""
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
