"""What scenes are painted on: a picture and its label map, seen through a camera.

Lengths in the world are metres. On the picture, u runs to the right from the middle and
v down from the top, both in picture heights. A point on the ground is known by its
depth t: 0 on the horizon, 1 on the bottom edge.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from deeplab2_tf.scenes import textures
from deeplab2_tf.scenes.lights import Light

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class View:
    """Where the camera stands, and under which sky.

    Attributes:
        height, width: Of the picture, pixels.
        horizon: v of the horizon, picture heights.
        camera: Height of the camera above the ground, metres.
        light: The sky.
        sun: u of the sun.
        tile: Noise that textures are cut from.
    """

    height: int
    width: int
    horizon: float
    camera: float
    light: Light
    sun: float
    tile: np.ndarray

    def scale(self, t):
        """Pixels per metre at depth t."""
        return t * (1.0 - self.horizon) / self.camera * self.height

    def base(self, t):
        """Row at which something of depth t stands, pixels."""
        return (self.horizon + t * (1.0 - self.horizon)) * self.height

    def fog(self, t):
        """Share of haze in the colours at depth t, [0, 1]."""
        metres = self.camera / np.maximum(t * (1.0 - self.horizon), 1e-3)
        return 0.9 - 0.9 * np.exp(-metres / self.light.visibility)

    def shade(self, nx, ny, nz=0.0):
        """Brightness of a surface whose normal is (right, up, towards the camera)."""
        lx, ly, lz = self.towards_sun()
        lit = np.maximum(nx * lx + ny * ly + nz * lz, 0.0)
        return self.light.ambient + (1.15 - self.light.ambient) * lit

    def towards_sun(self) -> tuple[float, float, float]:
        """Unit vector, right, up and towards the camera."""
        side = min(max(2.0 * self.sun, -1.0), 1.0)
        up = 0.35 + self.light.elevation
        length = float(np.sqrt(side**2 + up**2 + 0.16))
        return side / length, up / length, 0.4 / length


class Canvas:
    """A picture, [3, H, W] float32 in [0, 1], and its ids, [H, W] int32.

    Whatever is painted later lies in front. A pixel has the id of the last layer that
    covers more than half of it.
    """

    def __init__(self, height: int, width: int):
        self.image = np.zeros((3, height, width), np.float32)
        self.ids = np.zeros((height, width), np.int32)

    def paint(
        self,
        colour: np.ndarray,
        alpha: np.ndarray,
        id_: int,
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Lays a layer over a rectangle.

        Args:
            colour: Broadcasts with [3, h, w], [0, 1].
            alpha: [h, w] share of each pixel that is covered, [0, 1].
            id_: What the layer shows.
            corner: Row and column of the rectangle's top left pixel.
        """
        image, ids = self._rectangle(alpha, corner)
        image += alpha * (colour - image)
        ids[alpha > 0.5] = id_

    def darken(self, alpha: np.ndarray, corner: tuple[int, int]) -> None:
        """Throws a shadow; ids stay."""
        image, _ = self._rectangle(alpha, corner)
        image *= 1.0 - alpha

    def _rectangle(self, alpha, corner):
        rows = slice(corner[0], corner[0] + alpha.shape[0])
        columns = slice(corner[1], corner[1] + alpha.shape[1])
        return self.image[:, rows, columns], self.ids[rows, columns]


class Shape(NamedTuple):
    """Where something is painted.

    Attributes:
        left, bottom, right, top: What it lies within, metres.
        distance: (x, y) -> signed distance in metres, negative inside.
    """

    left: float
    bottom: float
    right: float
    top: float
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray]


class Sprite:
    """A rectangle of the picture around something that stands on the ground.

    Attributes:
        x: [1, w] metres to the right of its foot.
        y: [h, 1] metres above the ground.
        pixel: Side of a pixel, metres.
        rgb: [3, h, w], painted so far.
        alpha: [h, w], covered so far.
        corner: Row and column of the top left pixel.
    """

    def __init__(
        self,
        view: View,
        place: tuple[float, float],
        extent: tuple[float, float],
        size: float = 1.0,
        below: float = 0.0,
    ):
        """Cuts the rectangle.

        Args:
            view: The camera.
            place: t and u of the foot.
            extent: Half the width, and the height, metres.
            size: Multiplies what is painted; 1 is life-size.
            below: How far it reaches below its foot, metres.
        """
        t, u = place
        scale = max(float(view.scale(t)) * size, 1e-3)
        self._foot = view.width / 2 + u * view.height
        self._base = float(view.base(t))
        reach, height = extent[0] * scale + 1, extent[1] * scale + 1
        left = min(max(int(self._foot - reach), 0), view.width)
        right = min(max(int(self._foot + reach) + 1, left), view.width)
        top = min(max(int(self._base - height), 0), view.height)
        bottom = min(max(int(self._base + below * scale) + 3, top), view.height)
        columns = np.arange(left, right, dtype=np.float32)[np.newaxis]
        rows = np.arange(top, bottom, dtype=np.float32)[:, np.newaxis]
        self.x = (columns + np.float32(0.5 - self._foot)) / np.float32(scale)
        self.y = (np.float32(self._base - 0.5) - rows) / np.float32(scale)
        self.pixel = 1.0 / scale
        self.corner = top, left
        self.alpha = np.zeros((bottom - top, right - left), np.float32)
        self.rgb = np.zeros((3, *self.alpha.shape), np.float32)

    def lay(
        self, shape: Shape, colour: np.ndarray, rough: np.ndarray | None = None
    ) -> None:
        """Paints a shape over what is there.

        Args:
            shape: Where.
            colour: Broadcasts with [3, h, w].
            rough: [h, w] metres, at most half a metre, that its edge is moved inwards.
        """
        margin = self.pixel + (0.5 if rough is not None else 0.0)
        top, left = self.corner
        rows = self._within(
            self._base - (shape.top + margin) / self.pixel - top,
            self._base - (shape.bottom - margin) / self.pixel - top,
        )
        columns = self._within(
            self._foot + (shape.left - margin) / self.pixel - left,
            self._foot + (shape.right + margin) / self.pixel - left,
        )
        distance = shape.distance(self.x[:, columns], self.y[rows])
        if rough is not None:
            distance = distance + rough[rows, columns]
        alpha = textures.unit(0.5 - distance / self.pixel)
        colour = colour[:, rows] if colour.shape[1] > 1 else colour
        colour = colour[:, :, columns] if colour.shape[2] > 1 else colour
        rgb, covered = self.rgb[:, rows, columns], self.alpha[rows, columns]
        rgb += alpha * (colour - rgb)
        np.maximum(covered, alpha, out=covered)

    def texture(self, view: View, offset: float, period: float) -> np.ndarray:
        """Noise in [0, 1], [h, w], that repeats every `period` metres."""
        scale = np.float32(1.0 / period)
        return textures.sample(
            view.tile, self.x * scale + np.float32(offset), self.y * scale
        )

    @staticmethod
    def _within(first: float, last: float) -> slice:
        return slice(max(int(first), 0), max(int(last) + 1, 0))


def circle(x: float, y: float, radius: float) -> Shape:
    """A disc."""
    return Shape(
        x - radius,
        y - radius,
        x + radius,
        y + radius,
        lambda at_x, at_y: np.hypot(at_x - x, at_y - y) - radius,
    )


def box(x: float, y: float, half_width: float, half_height: float) -> Shape:
    """A rectangle around (x, y)."""
    return Shape(
        x - half_width,
        y - half_height,
        x + half_width,
        y + half_height,
        lambda at_x, at_y: np.maximum(
            np.abs(at_x - x) - half_width, np.abs(at_y - y) - half_height
        ),
    )


def limb(start: Point, end: Point, radius: float) -> Shape:
    """A line with round ends."""
    (ax, ay), (bx, by) = start, end
    dx, dy = bx - ax, by - ay

    def distance(at_x, at_y):
        x, y = at_x - ax, at_y - ay
        along = (x * dx + y * dy) / (dx * dx + dy * dy)
        along = textures.unit(along)
        return np.hypot(x - along * dx, y - along * dy) - radius

    return Shape(
        min(ax, bx) - radius,
        min(ay, by) - radius,
        max(ax, bx) + radius,
        max(ay, by) + radius,
        distance,
    )


def polygon(*corners: Point) -> Shape:
    """A convex polygon, its corners counterclockwise."""
    sides = []
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(bx - ax, by - ay))
        sides.append((ax, ay, (by - ay) / length, (bx - ax) / length))

    def distance(at_x, at_y):
        return functools.reduce(
            np.maximum,
            (down * (at_x - x) - right * (at_y - y) for x, y, down, right in sides),
        )

    xs, ys = zip(*corners, strict=True)
    return Shape(min(xs), min(ys), max(xs), max(ys), distance)
