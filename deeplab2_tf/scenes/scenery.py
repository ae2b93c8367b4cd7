"""The stuff of painted scenes: sky, hills, grass, water and roads; walls stand on them.

The ground is textured in metres and seen in perspective, so that it becomes finer and
hazier towards the horizon.
"""

import dataclasses

import numpy as np

from deeplab2_tf.scenes import textures
from deeplab2_tf.scenes.canvas import Canvas, Sprite, View, box
from deeplab2_tf.scenes.textures import rgb

LAWNS = (
    ((0.16, 0.34, 0.08), (0.42, 0.58, 0.18)),
    ((0.20, 0.42, 0.12), (0.36, 0.66, 0.22)),
    ((0.38, 0.40, 0.14), (0.70, 0.64, 0.32)),
    ((0.12, 0.28, 0.12), (0.30, 0.46, 0.22)),
)
PETALS = ((0.95, 0.9, 0.3), (0.9, 0.35, 0.45), (0.95, 0.95, 0.98))
ROCKS = (
    ((0.22, 0.30, 0.16), (0.46, 0.50, 0.28)),
    ((0.30, 0.26, 0.24), (0.62, 0.56, 0.50)),
    ((0.16, 0.28, 0.20), (0.34, 0.46, 0.30)),
)
BRICKS = (
    ((0.40, 0.16, 0.11), (0.70, 0.34, 0.24), (0.66, 0.62, 0.56)),
    ((0.42, 0.36, 0.28), (0.66, 0.58, 0.46), (0.34, 0.31, 0.28)),
    ((0.34, 0.35, 0.38), (0.56, 0.57, 0.60), (0.24, 0.24, 0.26)),
)


def paint_sky(canvas: Canvas, view: View, rng: np.random.Generator, id_: int) -> None:
    """Fills the picture with a gradient, clouds in perspective and the sun."""
    light = view.light
    rows = max(1, min(view.height, int(np.ceil(view.horizon * view.height)) + 2))
    u, v = _grid(view, 0, rows)
    up = textures.unit((view.horizon - v) / view.horizon)
    colour = textures.mix(light.haze, light.zenith, up**0.7 + 0.0 * u)

    # Clouds hang on a ceiling, which runs to the horizon as the ground does.
    depth = 1.0 / (up + 0.12)
    x, y = u * depth * 0.22 + rng.random(), depth * 0.14 + rng.random()
    x, y = x.astype(np.float32), y.astype(np.float32)
    density = textures.sample(view.tile, x, y)
    lower = textures.sample(view.tile, x + np.float32(0.02 * np.sign(view.sun)), y)
    cover = rng.uniform(0.35, 0.75)
    alpha = textures.step_between(cover, cover + 0.25, density) * textures.unit(up * 5)
    lit = textures.unit(0.6 + 5.0 * (density - lower))
    cloud = textures.mix(light.cloud_shadow, light.cloud, lit)
    colour += (0.9 * alpha) * (cloud - colour)

    away = np.hypot(u - view.sun, v - (view.horizon - light.elevation))
    glow = 0.55 * np.exp(-away / 0.12) + 0.7 * textures.step_between(0.045, 0.03, away)
    colour += (glow * (1.0 - 0.6 * alpha)) * rgb((1, 0.9, 0.7))
    canvas.ids[:] = id_
    canvas.image[:] = light.haze
    canvas.image[:, :rows] = textures.unit(colour)


def paint_hills(
    canvas: Canvas, view: View, rng: np.random.Generator, id_: int, layers: int
) -> None:
    """Stands ridges on the horizon, the farther ones higher and hazier."""
    valley, peak = map(rgb, ROCKS[rng.integers(len(ROCKS))])
    rows = min(view.height, int(np.ceil(view.horizon * view.height)) + 2)
    for layer in range(layers):
        near = (layer + 1) / layers
        tallest = view.horizon * rng.uniform(0.25, 0.75) * (1.25 - 0.75 * near)
        u, v = _grid(view, 0, rows)
        along = (u * rng.uniform(0.12, 0.25) + rng.random()).astype(np.float32)
        line = textures.sample(view.tile, along, rng.random())
        ridge = view.horizon - tallest * (0.1 + line)
        top = max(0, int(ridge.min() * view.height) - 1)
        v, below = v[top:], (v - ridge)[top:] * view.height
        x, y = (u * 0.9).astype(np.float32), (v * 1.6 - 0.5 * ridge).astype(np.float32)
        offset = np.float32(rng.random())
        rough = textures.sample(view.tile, x + offset, y)
        slope = rough - textures.sample(
            view.tile, x + offset + np.float32(0.01 * np.sign(view.sun)), y
        )
        shade = view.light.ambient + 0.35 + 4.0 * slope
        colour = textures.mix(valley, peak, rough) * np.clip(shade, 0.2, 1.3)
        colour *= view.light.tint
        haze = 0.75 - 0.5 * near + 0.15 * textures.unit(below / view.height / tallest)
        colour = textures.mix(colour, view.light.haze, haze)
        canvas.paint(colour, textures.unit(below + 0.5), id_, (top, 0))


@dataclasses.dataclass(frozen=True)
class Ground:
    """Every pixel below the horizon as a place on a plane.

    Attributes:
        top: First row.
        t: [h, 1] depth.
        x, z: [h, W] and [h, 1] metres to the right and away.
        fine: [h, 1] share of the detail that the distance leaves visible.
    """

    top: int
    t: np.ndarray
    x: np.ndarray
    z: np.ndarray
    fine: np.ndarray

    @classmethod
    def seen_by(cls, view: View) -> "Ground":
        """Unprojects the rows below the horizon."""
        top = min(int(np.floor(view.horizon * view.height)), view.height - 1)
        u, v = _grid(view, top, view.height)
        t = np.maximum((v - view.horizon) / (1.0 - view.horizon), 2e-3)
        scale = view.scale(t)
        z = (view.height / scale).astype(np.float32)
        return cls(top, t, u * z, z, np.clip(scale / 20.0, 0.05, 1.0))

    def noise(self, view: View, x_period: float, z_period: float, offset: float):
        """[h, W] noise in [0, 1] that repeats after so many metres."""
        x = self.x * np.float32(1.0 / x_period) + np.float32(offset)
        z = self.z * np.float32(1.0 / z_period) + np.float32(offset)
        return textures.sample(view.tile, x, z)

    def paint(self, canvas: Canvas, view: View, colour, alpha, id_: int) -> None:
        """Tints, fades into the haze and lays down a texture."""
        colour = colour * view.light.tint
        colour = textures.mix(colour, view.light.haze, view.fog(self.t))
        canvas.paint(colour, alpha.astype(np.float32), id_, (self.top, 0))


def paint_grass(
    canvas: Canvas, view: View, rng: np.random.Generator, id_: int, ground: Ground
) -> None:
    """Covers all of the ground with a lawn: patches, tufts and a few flowers."""
    dark, bright = map(rgb, LAWNS[rng.integers(len(LAWNS))])
    patches = ground.noise(view, 60.0, 60.0, rng.random())
    tufts = ground.noise(view, 5.0, 9.0, rng.random()) - 0.5
    blades = ground.noise(view, 0.9, 2.5, rng.random()) - 0.5
    share = 0.7 * patches + (0.7 * tufts + 0.6 * blades) * ground.fine + 0.15
    colour = textures.mix(dark, bright, textures.unit(share))
    meadow = ground.noise(view, 1.7, 2.3, rng.random()) * ground.fine
    bloom = textures.step_between(0.86, 0.9, meadow) * rng.choice((0.0, 0.8))
    petals = rgb(PETALS[rng.integers(len(PETALS))])
    colour = textures.mix(colour, petals, bloom)
    reached = _rows_reached(view, ground)
    ground.paint(canvas, view, colour, reached, id_)


def lake(view: View, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Where an oval lake lies: positive inside, [h, W]."""
    z = view.height / view.scale(rng.uniform(0.15, 0.6))
    x = rng.uniform(-0.4, 0.4) * z
    along, away = rng.uniform(0.25, 0.6) * z, rng.uniform(0.25, 0.45) * z
    shore = 0.5 * (ground.noise(view, 2.5 * z, 2.5 * z, rng.random()) - 0.5)
    return 1.0 - np.hypot((ground.x - x) / along, (ground.z - z) / away) + shore


def sea(view: View, rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Where the sea lies: everything beyond a bending shore."""
    z = view.height / view.scale(rng.uniform(0.25, 0.8))
    bend = ground.noise(view, 5.0 * z, 50.0 * z, rng.random()) - 0.5
    return ground.z / z - 1.0 + 0.9 * bend + rng.uniform(-0.2, 0.2) * ground.x / z


def paint_water(
    canvas: Canvas,
    view: View,
    rng: np.random.Generator,
    id_: int,
    ground: Ground,
    inside: np.ndarray,
) -> None:
    """Mirrors the sky with ripples, and the sun as a path of glitter."""
    light = view.light
    deep = rgb((0.05, 0.22, 0.30)) * rng.uniform(0.7, 1.4)
    ripples = ground.noise(view, 6.0, 2.0, rng.random()) - 0.5
    swell = ground.noise(view, 40.0, 9.0, rng.random()) - 0.5
    height = ripples * np.sqrt(ground.fine) + 0.7 * swell
    mirrored = textures.unit(ground.t + 0.5 * height)
    colour = textures.mix(light.haze, light.zenith, mirrored**0.7)
    colour = textures.mix(
        colour, deep, np.clip(0.25 + 0.4 * ground.t - height, 0, 0.85)
    )
    u = (np.arange(view.width) + 0.5 - view.width / 2) / view.height
    path = np.exp(-(((u - view.sun) / 0.12) ** 2)).astype(np.float32)
    glitter = path * textures.step_between(0.1, 0.3, height)
    colour += (0.6 * glitter) * rgb((1.0, 0.92, 0.75))
    shore = _coverage(inside)
    wet = textures.unit(1.5 * _coverage(inside + 0.06) - shore)
    canvas.darken(np.float32(0.3) * wet * (ground.t > 0.01), (ground.top, 0))
    ground.paint(
        canvas, view, textures.unit(colour), shore * _rows_reached(view, ground), id_
    )


def paint_road(
    canvas: Canvas,
    view: View,
    rng: np.random.Generator,
    id_: int,
    ground: Ground,
    across: bool,
) -> None:
    """Lays asphalt with edge lines and a dashed middle, ahead or across."""
    half = rng.uniform(2.2, 3.6)
    if across:
        z = view.height / view.scale(rng.uniform(0.3, 0.65))
        bend = rng.uniform(-0.15, 0.15)
        off, along = (ground.z - z) + bend * ground.x, ground.x + 0.0 * ground.z
    else:
        wave, phase = rng.uniform(8.0, 30.0), rng.uniform(0, 2 * np.pi)
        middle = rng.uniform(-4, 4) + 0.12 * wave * np.sin(ground.z / wave + phase)
        off, along = ground.x - middle, ground.z + 0.0 * ground.x
    inside = half - np.abs(off)
    grain = ground.noise(view, 1.2, 1.2, rng.random()) - 0.5
    worn = ground.noise(view, 14.0, 14.0, rng.random()) - 0.5
    tone = rng.uniform(0.26, 0.46) + 0.16 * grain * ground.fine + 0.08 * worn
    colour = tone * rgb((1.0, 0.98, 0.97))
    line = np.where((along % 3.0 < 1.7), 0.09 - np.abs(off), -1.0)
    edge = 0.07 - np.abs(np.abs(off) - half + 0.3)
    marks = np.maximum(_coverage(line), _coverage(edge)) * np.sqrt(ground.fine)
    colour = textures.mix(colour, rgb((0.88, 0.87, 0.80)), 0.85 * marks)
    alpha = _coverage(inside) * _rows_reached(view, ground)
    ground.paint(canvas, view, colour, alpha, id_)


def paint_wall(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """Builds a brick wall of 2.2 metres with a coping."""
    dark, bright, mortar = map(rgb, BRICKS[rng.integers(len(BRICKS))])
    half = rng.uniform(4.0, 14.0)
    joint, tone = textures.bricks(sprite.x + 100.0, sprite.y + 10.0, 0.62, 0.24)
    grain = sprite.texture(view, rng.random(), 3.0) - 0.5
    colour = textures.mix(dark, bright, textures.unit(tone + 0.5 * grain))
    seam = textures.unit(0.5 - (joint - 0.025) / max(sprite.pixel, 0.01))
    seam = seam * np.float32(min(1.0, 0.08 / sprite.pixel))
    colour = textures.mix(colour, mortar, seam) * np.float32(view.shade(0.1, 0.3, 0.8))
    colour *= np.clip(0.72 + 0.2 * sprite.y, 0.0, 1.05)
    sprite.lay(box(0.0, 1.0, half, 1.0), colour)
    sprite.lay(box(0.0, 2.08, half + 0.1, 0.1), 0.9 * mortar)


def _grid(view: View, top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    columns = np.arange(view.width, dtype=np.float32)[np.newaxis]
    rows = np.arange(top, bottom, dtype=np.float32)[:, np.newaxis]
    u = (columns + np.float32(0.5 - view.width / 2)) / np.float32(view.height)
    return u, (rows + np.float32(0.5)) / np.float32(view.height)


def _rows_reached(view: View, ground: Ground) -> np.ndarray:
    """[h, W] share of each pixel that is below the horizon."""
    rows = np.arange(ground.top, view.height, dtype=np.float32)[:, np.newaxis]
    share = textures.unit(rows + 1.0 - view.horizon * view.height)
    return np.broadcast_to(share, ground.x.shape)


def _coverage(inside: np.ndarray) -> np.ndarray:
    """Share of each pixel where a smooth function is positive, [0, 1]."""
    if min(inside.shape) < 2:
        return (inside > 0).astype(np.float32)
    down, right = np.gradient(inside)
    return textures.unit(inside / (np.abs(down) + np.abs(right) + 1e-6) + 0.5)
