"""Miniature worlds: which stuff and things a scene is made of, and where they stand.

A scene is painted from far to near, so that things hide what is behind them. All that
is random is drawn from one generator, in the order of painting.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from deeplab2_tf.labels import LabelSet
from deeplab2_tf.scenes import figures, scenery, textures
from deeplab2_tf.scenes.canvas import Canvas, Sprite, View
from deeplab2_tf.scenes.figures import Figure
from deeplab2_tf.scenes.lights import LIGHTS, SKIES

# Name in a label set -> how it is drawn. Void ones are in the picture and, as in real
# data sets, nobody has labelled them.
THINGS: Mapping[str, Figure] = {
    "ball": Figure(figures.paint_ball, 0.5, 1.0, 0.9, (0.5, 1.6), 0.5),
    "house": Figure(figures.paint_house, 3.6, 7.7, 0.5, (0.85, 1.2), 3.2),
    "tree": Figure(figures.paint_tree, 2.4, 5.6, 0.6, (0.7, 1.4), 1.6),
    "car": Figure(figures.paint_car, 2.2, 1.8, 0.9, (0.95, 1.2), 2.2),
    "person": Figure(figures.paint_person, 0.6, 1.85, 0.95, (0.85, 1.1), 0.45),
}
VOID: Mapping[str, Figure] = {
    "boulder": Figure(figures.paint_boulder, 1.1, 1.2, 0.9, (0.5, 1.3), 0.9),
    "lamp": Figure(figures.paint_lamp, 1.2, 5.0, 0.6, (0.9, 1.1), 0.3),
}
# Stuff that stands like a thing.
WALLS: Mapping[str, Figure] = {
    "wall": Figure(scenery.paint_wall, 14.2, 2.3, 0.45, (0.8, 1.4), 0.0)
}
FIGURES = {**THINGS, **VOID, **WALLS}

STANDS_ON: Mapping[str, tuple[str, ...]] = {
    "ball": ("grass", "road", "water"),
    "house": ("grass",),
    "tree": ("grass",),
    "car": ("road",),
    "person": ("grass", "road"),
    "boulder": ("grass", "water"),
    "lamp": ("grass",),
    "wall": ("grass",),
}


@dataclasses.dataclass(frozen=True)
class World:
    """What may be in one kind of scene.

    Attributes:
        hills: Fewest and most ridges on the horizon.
        water, road: Choices, as often as they are listed: "", "lake" and "sea"; "",
            "ahead" and "across".
        counts: Fewest and most things, walls and void things of each kind.
        crowds: Which things may come as a crowd, "" for none, as often as listed.
        camera: Lowest and highest camera, metres.
    """

    hills: tuple[int, int]
    water: tuple[str, ...]
    road: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    crowds: tuple[str, ...]
    camera: tuple[float, float]


WORLDS: Mapping[str, World] = {
    "village": World(
        hills=(0, 2),
        water=("", "", "lake"),
        road=("ahead", "across"),
        counts={
            "wall": (0, 2),
            "house": (2, 6),
            "tree": (2, 7),
            "car": (1, 4),
            "person": (1, 5),
            "ball": (0, 2),
            "boulder": (0, 1),
            "lamp": (0, 2),
        },
        crowds=("", "", "person"),
        camera=(2.0, 4.5),
    ),
    "meadow": World(
        hills=(1, 3),
        water=("", "lake"),
        road=("", "", "ahead"),
        counts={
            "wall": (0, 1),
            "house": (0, 2),
            "tree": (3, 9),
            "car": (0, 2),
            "person": (1, 6),
            "ball": (1, 4),
            "boulder": (0, 3),
        },
        crowds=("", "tree", "person"),
        camera=(1.6, 3.5),
    ),
    "shore": World(
        hills=(0, 3),
        water=("sea",),
        road=("",),
        counts={
            "wall": (0, 1),
            "house": (0, 2),
            "tree": (0, 5),
            "person": (2, 7),
            "ball": (1, 6),
            "boulder": (0, 4),
        },
        crowds=("", "", "person"),
        camera=(2.0, 5.0),
    ),
    "street": World(
        hills=(0, 1),
        water=("",),
        road=("across", "ahead"),
        counts={
            "wall": (1, 2),
            "house": (3, 7),
            "tree": (0, 4),
            "car": (2, 6),
            "person": (2, 7),
            "ball": (0, 1),
            "lamp": (1, 3),
        },
        crowds=("", "", "person"),
        camera=(1.8, 3.5),
    ),
}


@dataclasses.dataclass(frozen=True)
class Standing:
    """One figure in its place: depth t, u, id, kind and factor on its size."""

    t: float
    u: float
    id: int
    kind: str
    size: float


def paint(
    height: int, width: int, label_set: LabelSet, rng: np.random.Generator
) -> Canvas:
    """Paints a scene.

    Args:
        height, width: Of the picture, pixels.
        label_set: Names the classes as `THINGS` and the stuff here do.
        rng: Decides everything.

    Returns:
        The picture and its panoptic ids; the things of a class that can be seen count
        from 1.
    """
    ids = {one.name: one.id * label_set.label_divisor for one in label_set.classes}
    world = WORLDS[rng.choice(list(WORLDS))]
    view = View(
        height=height,
        width=width,
        horizon=rng.uniform(0.25, 0.5),
        camera=rng.uniform(*world.camera),
        light=LIGHTS[rng.choice(SKIES)],
        sun=rng.uniform(-0.7, 0.7) * width / height,
        tile=textures.noise_tile(int(rng.integers(8))),
    )
    canvas = Canvas(height, width)
    ground = scenery.Ground.seen_by(view)
    _paint_stuff(canvas, view, rng, world, ids, ground)
    for one in sorted(
        _place(canvas, view, rng, world, ids, label_set.void), key=lambda one: one.t
    ):
        _stand(canvas, view, rng, one)
    _finish(canvas, rng)
    canvas.ids = _renumbered(canvas.ids, label_set)
    return canvas


def _paint_stuff(canvas, view, rng, world, ids, ground) -> None:
    scenery.paint_sky(canvas, view, rng, ids["sky"])
    layers = int(rng.integers(world.hills[0], world.hills[1] + 1))
    scenery.paint_hills(canvas, view, rng, ids["hill"], layers)
    scenery.paint_grass(canvas, view, rng, ids["grass"], ground)
    water, road = rng.choice(world.water), rng.choice(world.road)
    if water:
        inside = {"lake": scenery.lake, "sea": scenery.sea}[water](view, rng, ground)
        scenery.paint_water(canvas, view, rng, ids["water"], ground, inside)
    if road:
        scenery.paint_road(canvas, view, rng, ids["road"], ground, road == "across")


def _place(canvas, view, rng, world, ids, void) -> list[Standing]:
    """Finds places where things may stand; what finds none is left out."""
    placed: list[Standing] = []
    for kind, (fewest, most) in world.counts.items():
        for number in range(1, int(rng.integers(fewest, most + 1)) + 1):
            id_ = ids[kind] + number * (kind in THINGS) if kind in ids else void
            place = _free_place(canvas, view, rng, kind, ids, FIGURES[kind].nearest)
            if place is not None:
                size = rng.uniform(*FIGURES[kind].sizes)
                placed.append(Standing(place[0], place[1], id_, kind, size))
    crowd = str(rng.choice(world.crowds))
    if crowd:
        place = _free_place(canvas, view, rng, crowd, ids, nearest=0.3)
        if place is not None:
            placed += _crowd(view, rng, crowd, ids[crowd], place)
    return placed


def _free_place(canvas, view, rng, kind, ids, nearest):
    """Depth and u of a spot that the kind may stand on, or None after 12 tries."""
    floors = [ids[name] for name in STANDS_ON[kind]]
    for _ in range(12):
        t = float(np.exp(rng.uniform(np.log(0.06), np.log(nearest))))
        u = float(rng.uniform(-0.55, 0.55)) * view.width / view.height
        row = min(int(view.base(t)), view.height - 1)
        column = min(max(int(view.width / 2 + u * view.height), 0), view.width - 1)
        if canvas.ids[row, column] in floors:
            return t, u
    return None


def _crowd(view, rng, kind, id_, place) -> list[Standing]:
    t, u = place
    apart = 2.2 * FIGURES[kind].half_width * float(view.scale(t)) / view.height
    return [
        Standing(
            t * rng.uniform(0.9, 1.15),
            u + apart * rng.uniform(-4.0, 4.0),
            id_,
            kind,
            rng.uniform(*FIGURES[kind].sizes),
        )
        for _ in range(rng.integers(10, 20))
    ]


def _stand(canvas, view, rng, one: Standing) -> None:
    figure = FIGURES[one.kind]
    place, size = (one.t, one.u), one.size
    _shadow(canvas, view, place, figure.shadow * size)
    sprite = Sprite(view, place, (figure.half_width, figure.height), size)
    if not sprite.alpha.size:
        return
    figure.paint(sprite, view, rng)
    tinted = sprite.rgb * view.light.tint
    fog = np.full((1, 1), view.fog(one.t), np.float32)
    colour = textures.mix(tinted, view.light.haze, fog)
    canvas.paint(colour, sprite.alpha, one.id, sprite.corner)


def _shadow(canvas, view, place, reach: float) -> None:
    """Darkens an ellipse on the ground, away from the sun."""
    if reach <= 0.0:
        return
    side, _, _ = view.towards_sun()
    sprite = Sprite(view, place, (2.3 * reach, 0.3 * reach), below=0.3 * reach)
    if not sprite.alpha.size:
        return
    x = (sprite.x + 0.8 * side * reach) / (1.4 * reach)
    distance = np.hypot(x, sprite.y / (0.3 * reach))
    strength = 0.9 * (1.0 - view.light.ambient) * (1.0 - float(view.fog(place[0])))
    soft = np.float32(strength) * textures.step_between(1.0, 0.4, distance)
    canvas.darken(soft.astype(np.float32), sprite.corner)


def _finish(canvas, rng) -> None:
    """Adds what a camera does: exposure, and a little noise."""
    _, height, width = canvas.image.shape
    exposure = np.float32(rng.uniform(0.9, 1.1))
    grain = rng.standard_normal((height, width), np.float32)
    canvas.image *= exposure
    canvas.image += np.float32(rng.uniform(0.0, 0.012)) * grain
    canvas.image = textures.unit(canvas.image)


def _renumbered(ids: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """The things of each class that can be seen become 1, 2, ...; crowds stay 0."""
    divisor = label_set.label_divisor
    seen: dict[int, int] = {}
    visible = np.flatnonzero(np.bincount(ids.ravel()))
    new = np.zeros(visible[-1] + 1, np.int32)
    for value in visible.tolist():
        semantic, instance = divmod(value, divisor)
        if instance:
            instance = seen[semantic] = seen.get(semantic, 0) + 1
        new[value] = semantic * divisor + instance
    return new[ids]
