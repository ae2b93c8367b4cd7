"""The things of painted scenes, each drawn from a few shapes in metres.

A painter receives an empty sprite, whose (0, 0) is the foot, and draws everything that
varies between two things of a kind from `rng`.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from deeplab2_tf.scenes import textures
from deeplab2_tf.scenes.canvas import Sprite, View, box, circle, limb, polygon
from deeplab2_tf.scenes.textures import rgb

VIVID = (
    (0.85, 0.14, 0.12),
    (0.12, 0.36, 0.78),
    (0.95, 0.78, 0.12),
    (0.14, 0.58, 0.30),
    (0.90, 0.46, 0.10),
    (0.55, 0.20, 0.62),
    (0.92, 0.92, 0.94),
    (0.16, 0.17, 0.20),
    (0.60, 0.64, 0.68),
    (0.10, 0.62, 0.66),
)
PLASTER = (
    (0.90, 0.84, 0.70),
    (0.86, 0.62, 0.48),
    (0.72, 0.80, 0.84),
    (0.93, 0.91, 0.87),
    (0.80, 0.70, 0.38),
    (0.58, 0.30, 0.26),
)
TILES = ((0.55, 0.24, 0.16), (0.30, 0.31, 0.36), (0.42, 0.28, 0.20), (0.34, 0.42, 0.40))
LEAVES = (
    (0.15, 0.36, 0.10),
    (0.24, 0.46, 0.12),
    (0.10, 0.30, 0.16),
    (0.52, 0.40, 0.10),
    (0.58, 0.26, 0.08),
)
SKIN = ((0.93, 0.76, 0.64), (0.78, 0.57, 0.42), (0.52, 0.35, 0.24), (0.34, 0.22, 0.16))
HAIR = ((0.10, 0.08, 0.07), (0.36, 0.22, 0.12), (0.78, 0.62, 0.32), (0.55, 0.55, 0.55))
GLASS = rgb((0.22, 0.30, 0.38))


def paint_ball(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """A ball of 1 metre with segments, stripes or one colour, and a highlight."""
    nx, ny = sprite.x / 0.5, (sprite.y - 0.5) / 0.5
    nz = np.sqrt(np.maximum(1.0 - nx * nx - ny * ny, 0.0))
    turn = rng.uniform(0.0, np.pi)
    across = nx * np.cos(turn) - ny * np.sin(turn)
    along = nx * np.sin(turn) + ny * np.cos(turn)
    wave = (
        np.sin(3.0 * np.arctan2(across, nz + 0.1)),
        np.sin(7.0 * along + 1.0),
        along + 1.5,
    )[rng.integers(3)]
    first, second = _two(rng, VIVID)
    colour = textures.mix(first, second, textures.unit(0.5 + 5.0 * wave))
    colour *= view.shade(nx, ny, nz)
    lx, ly, lz = view.towards_sun()
    shine = textures.unit((nx * lx + ny * ly + nz * (lz + 0.5)) / 1.4)
    colour += 0.5 * shine**24
    sprite.lay(circle(0.0, 0.5, 0.5), colour)


def paint_house(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """A house of one or two floors: bricks or plaster, windows, a door, tiles."""
    half, floors = rng.uniform(2.0, 3.2), int(rng.integers(1, 3))
    wall, roof = 2.6 * floors, rng.uniform(1.2, 2.2)
    paint = rgb(PLASTER[rng.integers(len(PLASTER))])
    tiles = rgb(TILES[rng.integers(len(TILES))])
    shade = np.float32(view.shade(0.0, 0.3, 0.9))

    if rng.random() < 0.7:
        side = rng.choice((-0.5, 0.5)) * half
        sprite.lay(box(side, wall + roof - 0.3, 0.3, 0.8), tiles * 0.7 * shade)
    grain = sprite.texture(view, rng.random(), 6.0) - 0.5
    front = paint * (1.0 + 0.25 * grain)
    if rng.random() < 0.4:
        joint, tone = textures.bricks(sprite.x + 50.0, sprite.y + 10.0, 0.5, 0.22)
        seam = textures.unit(0.5 - (joint - 0.03) / max(sprite.pixel, 0.01))
        seam = (1.0 - 0.35 * seam * min(1.0, 0.08 / sprite.pixel)) * (0.85 + 0.3 * tone)
        front = front * seam
    sunward = 1.0 + 0.12 * np.sign(view.sun) * sprite.x / half
    front = front * (shade * sunward)
    sprite.lay(box(0.0, wall / 2, half, wall / 2), front)

    gable = half * rng.choice((0.05, 0.6, 0.75))
    rows = 0.85 + 0.3 * ((sprite.y / 0.3) % 1.0) * min(1.0, 0.15 / sprite.pixel)
    cover = tiles * (rows * (0.9 + 0.4 * grain)) * view.shade(0.0, 0.8, 0.5)
    eaves = half + 0.35
    corners = (-eaves, wall), (eaves, wall), (gable, wall + roof), (-gable, wall + roof)
    sprite.lay(polygon(*corners), cover)
    sprite.lay(box(0.0, wall - 0.05, eaves, 0.06), tiles * 0.5)
    _windows(sprite, rng, half, floors, shade)


def _windows(sprite, rng, half, floors, shade) -> None:
    columns = int(rng.integers(2, 4))
    door = int(rng.integers(columns))
    lamp = rgb((1.0, 0.82, 0.45)) if rng.random() < 0.3 else GLASS * shade
    frame = rgb((0.95, 0.94, 0.92)) * shade
    for floor in range(floors):
        for column in range(columns):
            x = half * (2.0 * (column + 0.5) / columns - 1.0)
            if floor == 0 and column == door:
                wood = rgb(VIVID[rng.integers(len(VIVID))]) * 0.7 * shade
                sprite.lay(box(x, 1.05, 0.5, 1.05), frame)
                sprite.lay(box(x, 1.0, 0.4, 1.0), wood)
                continue
            y = 2.6 * floor + 1.55
            sprite.lay(box(x, y, 0.48, 0.6), frame)
            sky = 0.75 + 0.5 * (sprite.y - y)
            sprite.lay(box(x, y, 0.4, 0.52), lamp * sky)
            sprite.lay(box(x, y, 0.03, 0.52), frame)
            sprite.lay(box(x, y + 0.1, 0.4, 0.03), frame)


def paint_tree(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """A tree of 5 metres: a crown of leaves, or the tiers of a conifer."""
    bark = rgb((0.32, 0.22, 0.14)) * rng.uniform(0.7, 1.3)
    rough = sprite.texture(view, rng.random(), 2.2)
    trunk = polygon((-0.24, 0.0), (0.24, 0.0), (0.12, 3.2), (-0.12, 3.2))
    lit = view.shade(4.0 * sprite.x, 0.0, 0.5)
    sprite.lay(trunk, bark * ((0.6 + 0.8 * rough) * lit))
    leaves = rgb(LEAVES[rng.integers(len(LEAVES))]) * rng.uniform(0.8, 1.2)
    crown = _conifer if rng.random() < 0.4 else _leafy
    crown(sprite, view, rng, leaves, rough)


def _leafy(sprite, view, rng, leaves, rough) -> None:
    jag = 0.9 * (rough - 0.5)
    leaves = 1.5 * leaves
    fine = sprite.texture(view, rng.random(), 0.9) - 0.5
    for _ in range(7):
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
        x, y = 0.95 * away * np.cos(angle), 3.4 + 0.7 * away * np.sin(angle)
        radius = rng.uniform(0.6, 0.95)
        nx, ny = (sprite.x - x) / radius, (sprite.y - y) / radius
        lit = view.shade(nx * 0.7, ny * 0.7, 0.5) * (0.75 + 0.5 * fine + 0.5 * rough)
        lit *= 0.35 + 0.16 * sprite.y
        sprite.lay(circle(x, y, radius), leaves * lit, jag)


def _conifer(sprite, view, rng, leaves, rough) -> None:
    leaves = leaves * rgb((1.0, 1.45, 1.5))
    tiers = int(rng.integers(3, 6))
    fine = sprite.texture(view, rng.random(), 0.9) - 0.5
    jag = 0.3 * (rough - 0.5) + 0.2 * fine
    for tier in range(tiers):
        low = 0.9 + 3.2 * tier / tiers
        high = min(low + 4.4 / tiers + 0.5, 5.0)
        half = 1.5 * (1.0 - 0.75 * tier / tiers)
        lit = view.shade(sprite.x / half * 0.8, 0.4, 0.5) * (
            0.6 + 0.7 * fine + 0.4 * rough
        )
        lit *= 0.5 + 0.7 * textures.unit((sprite.y - low) / (high - low))
        shape = polygon((-half, low), (half, low), (0.0, high))
        sprite.lay(shape, leaves * lit, jag)


def paint_car(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """A car of 4.2 metres from its side, driving left or right."""
    way = rng.choice((-1.0, 1.0))
    paint = rgb(VIVID[rng.integers(len(VIVID))])
    roof, back = rng.uniform(1.35, 1.75), rng.uniform(1.2, 2.0)
    shade = np.float32(view.shade(0.0, 0.3, 0.8))
    body = paint * view.shade(0.0, 2.0 * sprite.y - 1.0, 0.6)

    def facing(*corners):
        """Mirrors a polygon for cars that drive left, counterclockwise again."""
        points = [(way * x, y) for x, y in corners]
        return polygon(*(points if way > 0 else points[::-1]))

    sprite.lay(facing((-back, 0.8), (1.3, 0.8), (0.6, roof), (0.3 - back, roof)), body)
    glass = GLASS * (shade * (0.7 + 0.5 * sprite.y))
    low, high = 0.9, roof - 0.12
    rear = facing((0.15 - back, low), (-0.25, low), (-0.25, high), (0.4 - back, high))
    sprite.lay(rear, glass)
    sprite.lay(facing((-0.15, low), (1.05, low), (0.5, high), (-0.15, high)), glass)
    nose = (2.1, 0.5), (2.02, 0.76), (1.3, 0.92)
    sprite.lay(facing((-2.0, 0.28), (2.0, 0.28), *nose, (-2.05, 0.92)), body)
    sprite.lay(box(0.0, 0.45, 2.0, 0.03), paint * 0.4)
    sprite.lay(circle(way * 1.98, 0.66, 0.1), rgb((1.0, 0.95, 0.75)))
    sprite.lay(box(-way * 2.0, 0.72, 0.07, 0.1), rgb((0.8, 0.08, 0.06)))
    for x in (-1.28, 1.28):
        sprite.lay(circle(x, 0.36, 0.42), rgb((0.05, 0.05, 0.06)))
        sprite.lay(circle(x, 0.34, 0.34), rgb((0.1, 0.1, 0.11)))
        sprite.lay(circle(x, 0.34, 0.19), rgb((0.62, 0.63, 0.66)) * shade)


def paint_person(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """Somebody of 1.75 metres who stands, walks or waves."""
    shirt, trousers = _two(rng, VIVID)
    skin = rgb(SKIN[rng.integers(len(SKIN))])
    hair = rgb(HAIR[rng.integers(len(HAIR))])
    stride, lean = rng.uniform(0.03, 0.3), rng.uniform(-0.05, 0.05)
    lit = view.shade(2.0 * sprite.x, 0.2, 0.7)

    def lay(shape, colour):
        sprite.lay(shape, colour * lit)

    for foot in (-stride, stride):
        lay(limb((0.5 * foot, 0.9), (foot, 0.08), 0.095), trousers)
        lay(limb((foot, 0.05), (foot + 0.1, 0.05), 0.06), hair * 0.6)
    for side in (-1.0, 1.0):
        waves = rng.random() < 0.2
        hand = (side * 0.45, 1.75) if waves else (side * rng.uniform(0.26, 0.4), 0.85)
        lay(limb((side * 0.2 + lean, 1.36), hand, 0.065), shirt * 0.85)
        lay(circle(*hand, 0.075), skin)
    lay(limb((0.0, 0.98), (lean, 1.32), 0.2), shirt)
    lay(limb((lean, 1.45), (lean, 1.55), 0.07), skin * 0.85)
    lay(circle(lean, 1.66, 0.135), hair)
    lay(circle(lean + 0.02, 1.63, 0.115), skin)


def paint_boulder(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """A rock of a metre."""
    rough = sprite.texture(view, rng.random(), 2.5)
    lit = view.shade(sprite.x, sprite.y, 0.4) * (0.5 + 0.7 * rough)
    stone = rgb((0.55, 0.53, 0.50)) * rng.uniform(0.7, 1.2)
    half = polygon((-0.95, 0.0), (0.95, 0.0), (0.75, 0.5), (0.2, 0.8), (-0.6, 0.6))
    sprite.lay(half, stone * lit, 0.5 * (rough - 0.5))


def paint_lamp(sprite: Sprite, view: View, rng: np.random.Generator) -> None:
    """A street lamp of 5 metres."""
    metal = rgb((0.26, 0.28, 0.30)) * rng.uniform(0.7, 1.5)
    side = rng.choice((-1.0, 1.0))
    sprite.lay(box(0.0, 2.4, 0.07, 2.4), metal)
    sprite.lay(box(side * 0.5, 4.75, 0.55, 0.05), metal)
    sprite.lay(box(side * 0.9, 4.66, 0.25, 0.09), rgb((1.0, 0.95, 0.8)))


@dataclasses.dataclass(frozen=True)
class Figure:
    """How something is painted.

    Attributes:
        paint: Draws it on a sprite.
        half_width, height: What the painter stays within, metres.
        nearest: Largest depth t at which it stands.
        sizes: Smallest and largest factor on its size.
        shadow: Half the width of its shadow, metres.
    """

    paint: Callable[[Sprite, View, np.random.Generator], None]
    half_width: float
    height: float
    nearest: float = 1.05
    sizes: tuple[float, float] = (0.8, 1.25)
    shadow: float = 1.0


def _two(rng: np.random.Generator, colours):
    first, second = rng.choice(len(colours), 2, replace=False)
    return rgb(colours[first]), rgb(colours[second])
