"""Draws a small sample of label maps: street scenes with their exact segmentation.

A scene is drawn from back to front by a camera over a straight street. A point of the
ground that lies `drop` under the horizon is at the depth 1 / drop, and there one unit
of length, which is the height of the camera, is `drop` of the picture's height. So
sizes below are in camera heights, about 1.5 m, unless they say otherwise.

Beside the PNG files, which are there to be looked at, the scenes are written as
TFRecord shards in the layout that DeepLab made common. The same seed gives the same
bytes.
"""

import argparse
import copy
import dataclasses
import enum
import functools
import pathlib
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.runtime.loading import loading
from maskbeam.transforms.png import encode_png

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Color = Sequence[float] | Floats  # RGB in 0..1, for a mask or for each pixel

IGNORED = 255
SUPERSAMPLING = 2  # pictures are drawn at twice their size, so that edges are smooth
SHARDS = {"train": 2, "val": 1}


class Label(enum.IntEnum):
    """The classes of the sample, each with its id in the label maps."""

    SKY = 0
    BUILDING = 1
    ROAD = 2
    PAVEMENT = 3
    TREE = 4
    POLE = 5
    CAR = 6
    PEDESTRIAN = 7
    LANE_MARK = 8


COLORS = {
    Label.SKY: (70, 130, 180),
    Label.BUILDING: (70, 70, 70),
    Label.ROAD: (128, 64, 128),
    Label.PAVEMENT: (244, 35, 232),
    Label.TREE: (107, 142, 35),
    Label.POLE: (153, 153, 153),
    Label.CAR: (0, 0, 142),
    Label.PEDESTRIAN: (220, 20, 60),
    Label.LANE_MARK: (255, 255, 255),
}

WALLS = np.asarray(
    (
        (0.62, 0.36, 0.28),
        (0.78, 0.70, 0.56),
        (0.66, 0.64, 0.62),
        (0.55, 0.47, 0.42),
        (0.83, 0.79, 0.72),
        (0.47, 0.53, 0.58),
    ),
    np.float32,
)
PAINTS = np.asarray(
    (
        (0.75, 0.12, 0.10),
        (0.15, 0.27, 0.55),
        (0.85, 0.85, 0.86),
        (0.13, 0.13, 0.15),
        (0.55, 0.57, 0.60),
        (0.85, 0.65, 0.15),
        (0.16, 0.40, 0.30),
    ),
    np.float32,
)
CLOTHES = np.asarray(
    (*PAINTS, (0.55, 0.30, 0.55), (0.90, 0.50, 0.35), (0.30, 0.55, 0.65)), np.float32
)
SKIN = np.asarray(
    ((0.94, 0.78, 0.66), (0.80, 0.58, 0.43), (0.48, 0.32, 0.22)), np.float32
)


@dataclasses.dataclass(frozen=True)
class Street:
    """Where the camera stands, and how the street runs."""

    horizon: float  # from the top, as a fraction of the height
    vanishing: float  # the vanishing point from the left, in picture heights
    center: float  # the road's middle, to the right of the camera
    road: float  # half the width of the road
    facade: float  # from the road's middle to the house fronts
    haze: tuple[float, float, float]
    sun: int  # the side that is lit, -1 for the left and 1 for the right


@dataclasses.dataclass(frozen=True)
class Part:
    """One flat-coloured piece of an object."""

    mask: Mask
    color: Color


class Canvas:
    """A picture and its label map, painted over together."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        """Starts an empty canvas of a street that the generator chooses."""
        shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        rows, columns = np.indices(shape, dtype=np.float32)
        self.y: Floats = (rows + 0.5) / shape[0]
        self.x: Floats = (columns + 0.5) / shape[0]
        self.pixel = 1 / height
        self.rng = rng
        self.rgb: Floats = np.zeros((*shape, 3), np.float32)
        self.ids: Bytes = np.zeros(shape, np.uint8)
        self.street = choose_street(rng, width / height)
        self.drop = np.maximum(self.y - self.street.horizon, 1e-4)
        self.across = (self.x - self.street.vanishing) / self.drop

    def window(self, left: float, top: float, right: float, bottom: float) -> "Canvas":
        """Returns a rectangle of the canvas, where painting takes less work."""
        rows, columns = self.ids.shape
        scale = SUPERSAMPLING / self.pixel
        margin = 2 * SUPERSAMPLING  # for the line around an object

        def span(low: float, high: float, size: int) -> slice:
            start = np.clip(np.floor(low * scale) - margin, 0, size)
            return slice(int(start), int(np.clip(high * scale + margin, start, size)))

        view = copy.copy(self)
        place = span(top, bottom, rows), span(left, right, columns)
        for name in ("x", "y", "drop", "across", "rgb", "ids"):
            setattr(view, name, getattr(self, name)[place])
        return view

    def hazed(self, color: Color, drop: float | Floats) -> Floats:
        """Returns a colour as it looks from afar."""
        clear = 1 - np.exp(-14 * np.asarray(drop, np.float32))[..., None]
        return clear * np.asarray(color, np.float32) + (1 - clear) * tint(
            *self.street.haze
        )

    def paint(self, mask: Mask, label: int, color: Color) -> None:
        """Paints one colour, or one for each pixel, where the mask holds."""
        np.copyto(self.rgb, np.asarray(color, np.float32), where=mask[..., None])
        self.ids[mask] = label

    def darken(self, mask: Mask, factor: float) -> None:
        """Casts a shadow, which changes no label."""
        self.rgb[mask] *= factor

    def paint_object(self, parts: Sequence[Part], label: int, drop: float) -> None:
        """Paints an object's parts, and an ignored line around it if it is near."""
        whole = np.any([part.mask for part in parts], axis=0)
        if drop > 0.1:
            self.ids[dilate(whole, SUPERSAMPLING)] = IGNORED
        for part in parts:
            self.paint(part.mask, label, self.hazed(part.color, drop))

    def box(self, left: float, top: float, right: float, bottom: float) -> Mask:
        """Returns the mask of an upright rectangle."""
        return (self.x >= left) & (self.x < right) & (self.y >= top) & (self.y < bottom)

    def disc(self, x: float, y: float, width: float, height: float) -> Mask:
        """Returns the mask of an ellipse of the given half-axes."""
        return ((self.x - x) / width) ** 2 + ((self.y - y) / height) ** 2 < 1

    def limb(
        self, start: tuple[float, float], end: tuple[float, float], width: float
    ) -> Mask:
        """Returns the mask of a thick line between two (x, y) points."""
        (x0, y0), (x1, y1) = start, end
        length = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-9)
        along = ((self.x - x0) * (x1 - x0) + (self.y - y0) * (y1 - y0)) / length
        along = np.clip(along, 0, 1)
        away_x = self.x - x0 - along * (x1 - x0)
        away_y = self.y - y0 - along * (y1 - y0)
        return away_x**2 + away_y**2 < (width / 2) ** 2

    def column(self, across: float, drop: float) -> float:
        """Returns the x of a place on the ground, `across` from the road's middle."""
        return self.street.vanishing + (self.street.center + across) * drop

    def noise(self, cells: int) -> Floats:
        """Returns smooth noise in 0..1 with about that many blobs down the picture."""
        height, width = self.y.shape
        grid = self.rng.random((cells + 1, cells * width // height + 2))
        rows = hat_weights(height, grid.shape[0])
        columns = hat_weights(width, grid.shape[1])
        return np.asarray(rows @ grid @ columns.T, np.float32)

    def finish(self) -> tuple[Bytes, Bytes]:
        """Returns the picture and its label map in their final size."""
        height, width = (size // SUPERSAMPLING for size in self.ids.shape)
        blocks = (height, SUPERSAMPLING, width, SUPERSAMPLING, 3)
        rgb = self.rgb.reshape(blocks).mean(axis=(1, 3))
        rgb *= self.rng.uniform(0.85, 1.1)
        rgb += self.rng.normal(0, 0.02, rgb.shape)
        image = np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
        return image, self.ids[::SUPERSAMPLING, ::SUPERSAMPLING].copy()


def choose_street(rng: np.random.Generator, aspect: float) -> Street:
    """Chooses a street and the camera's place in it."""
    road = rng.uniform(2.3, 3.4)
    haze = rng.choice(((0.78, 0.84, 0.90), (0.86, 0.84, 0.80), (0.90, 0.78, 0.68)))
    return Street(
        horizon=rng.uniform(0.40, 0.50),
        vanishing=aspect * rng.uniform(0.40, 0.60),
        center=-road * rng.uniform(0.2, 0.55),
        road=road,
        facade=road + rng.uniform(1.3, 2.2),
        haze=tuple(haze.tolist()),
        sun=rng.choice((-1, 1)),
    )


def tint(red: float, green: float, blue: float) -> Floats:
    """Returns a colour as an array in the canvas's own precision."""
    return np.asarray((red, green, blue), np.float32)


def hat_weights(size: int, cells: int) -> Floats:
    """Returns the weights [size, cells] that interpolate linearly between cells."""
    places = np.linspace(0, cells - 1, size)[:, None]
    return np.clip(1 - np.abs(places - np.arange(cells)), 0, 1)


def dilate(mask: Mask, reach: int) -> Mask:
    """Returns the mask grown to its four sides."""
    grown = mask.copy()
    grown[reach:] |= mask[:-reach]
    grown[:-reach] |= mask[reach:]
    grown[:, reach:] |= mask[:, :-reach]
    grown[:, :-reach] |= mask[:, reach:]
    return grown


def draw_sky(canvas: Canvas) -> None:
    """Draws a sky that pales towards the horizon, with clouds."""
    street = canvas.street
    height = np.clip(1 - canvas.y / street.horizon, 0, 1)[..., None]
    sky = height**0.8 * tint(0.30, 0.52, 0.82) + (1 - height**0.8) * tint(*street.haze)
    clouds = 0.6 * canvas.noise(5) + 0.4 * canvas.noise(14)
    cover = np.clip((clouds - canvas.rng.uniform(0.45, 0.75)) * 3, 0, 0.8)[..., None]
    canvas.paint(canvas.y < 1, Label.SKY, sky * (1 - cover) + 0.96 * cover)


def draw_skyline(canvas: Canvas) -> None:
    """Draws the far end of the street, pale with distance."""
    street, rng = canvas.street, canvas.rng
    left = 0.0
    while left < canvas.x.max():
        right = left + rng.uniform(0.04, 0.14)
        top = street.horizon - rng.uniform(0.02, 0.13)
        color = canvas.hazed(rng.choice(WALLS), 0.035)
        block = canvas.box(left, top, right, street.horizon + 0.02)
        canvas.paint(block, Label.BUILDING, color)
        left = right


def draw_ground(canvas: Canvas) -> None:
    """Draws the road, the pavements beside it and the kerbs between them."""
    street = canvas.street
    ground = canvas.y >= street.horizon
    side = np.abs(canvas.across - street.center)
    grain = 1 + 0.12 * (canvas.noise(35) - 0.5)[..., None]
    slabs = np.floor(canvas.across * 1.5) + np.floor(2.5 / canvas.drop)
    shade = np.where(slabs % 2 == 0, 1.0, 0.94)[..., None]
    paving = tint(0.66, 0.63, 0.60) * shade * grain
    asphalt = tint(0.33, 0.33, 0.35) * grain
    kerb = ground & (side > street.road) & (side < street.road + 0.12)
    canvas.paint(ground, Label.PAVEMENT, canvas.hazed(paving, canvas.drop))
    canvas.paint(kerb, Label.PAVEMENT, canvas.hazed((0.80, 0.79, 0.76), 0.5))
    canvas.paint(
        ground & (side <= street.road),
        Label.ROAD,
        canvas.hazed(asphalt, canvas.drop),
    )


def draw_lane_marks(canvas: Canvas) -> None:
    """Draws the broken middle line, the edge lines and perhaps a crossing."""
    street, rng = canvas.street, canvas.rng
    depth = 1 / canvas.drop
    offset = canvas.across - street.center
    # Beyond this depth a mark is thinner than a pixel.
    near = (canvas.y > street.horizon) & (depth < 28)
    dashes = (depth / 3.2 + rng.random()) % 1 < 0.55
    marks = (np.abs(offset) < 0.06) & dashes
    marks |= np.abs(np.abs(offset) - (street.road - 0.2)) < 0.045
    if rng.random() < 0.4:
        start = rng.uniform(2.4, 6)
        crossing = (depth > start) & (depth < start + 1.6)
        crossing &= np.abs(offset) < street.road - 0.3
        # The other marks stop before a crossing.
        marks &= (depth < start - 0.3) | (depth > start + 1.9)
        marks |= crossing & (offset / 0.6 % 1 < 0.5)
    color = canvas.hazed((0.90, 0.90, 0.87), canvas.drop)
    canvas.paint(near & marks, Label.LANE_MARK, color)


def draw_buildings(canvas: Canvas) -> None:
    """Draws a row of houses on each side, the farthest first."""
    for side in (-1, 1):
        depth = 45.0
        while depth > 0.9:
            length = canvas.rng.uniform(2.5, 7)
            # A gap now and then lets the sky through.
            if canvas.rng.random() < 0.88:
                draw_house(canvas, side, max(depth - length, 0.4), depth)
            depth -= length


def draw_house(canvas: Canvas, side: int, near: float, far: float) -> None:
    """Draws the wall along the street and the one that faces the camera."""
    street, rng = canvas.street, canvas.rng
    front = street.center + side * street.facade
    top = rng.uniform(3.5, 9)
    wall = rng.choice(WALLS)
    lit = 1.0 if side == street.sun else 0.72
    glass = rng.uniform(0.2, 0.45) * tint(0.7, 0.85, 1.0)

    edge = street.vanishing + front / near
    corner = street.vanishing + front / far
    roof, foot = street.horizon - (top - 1) / near, street.horizon + 1 / near
    gable = canvas.window(
        edge if side > 0 else 0, roof, canvas.x.max() if side > 0 else edge, foot
    )
    outside = (gable.x - edge) * side > 0
    rise = (foot - gable.y) * near
    gable.paint(
        outside & (rise > 0) & (rise < top),
        Label.BUILDING,
        gable.hazed(wall * 0.85, 1 / near),
    )

    wall_view = canvas.window(min(edge, corner), roof, max(edge, corner), foot)
    drop = np.maximum((wall_view.x - street.vanishing) / front, 1e-4)
    depth = 1 / drop
    height = (street.horizon + drop - wall_view.y) / drop
    face = (depth > near) & (depth < far) & (height > 0) & (height < top)
    rows = height / rng.uniform(1.7, 2.1) % 1
    columns = (depth - near) / rng.uniform(0.8, 1.4) % 1
    windows = (rows > 0.35) & (rows < 0.8) & (columns > 0.25) & (columns < 0.75)
    windows &= (height < top - 0.4) & (depth < far - 0.2)
    ledges = (height > top - 0.25) | (np.abs(height - 1.9) < 0.08)
    color = np.where(ledges[..., None], wall * (lit * 0.75), wall * lit)
    color = np.where(windows[..., None], glass, color)
    wall_view.paint(face, Label.BUILDING, wall_view.hazed(color, drop))


def draw_tree(canvas: Canvas, across: float, drop: float) -> None:
    """Draws a trunk under a crown of overlapping leafy balls."""
    rng = canvas.rng
    x, foot = canvas.column(across, drop), canvas.street.horizon + drop
    height = rng.uniform(3.0, 4.6) * drop
    radius = rng.uniform(0.75, 1.15) * drop
    trunk = canvas.limb((x, foot), (x, foot - height * 0.7), max(0.22 * drop, 0.006))
    crown = canvas.disc(x, foot - height * 0.75, radius, radius)
    for turn in rng.uniform(0, 2 * np.pi, 7):
        ball_x = x + radius * 0.75 * np.cos(turn)
        ball_y = foot - height * 0.75 + radius * 0.65 * np.sin(turn)
        crown |= canvas.disc(ball_x, ball_y, radius * 0.55, radius * 0.5)
    green = tint(rng.uniform(0.18, 0.36), rng.uniform(0.38, 0.50), 0.16)
    leaves = 0.65 + 0.7 * canvas.noise(40)[..., None]
    # Lit from above: paler at the top of the crown.
    light = 1.15 - 0.35 * (canvas.y - foot + height * 1.2) / (radius * 2)
    light = np.clip(light, 0.6, 1.3)[..., None]
    canvas.darken(canvas.disc(x, foot, radius * 0.8, 0.12 * drop), 0.75)
    parts = [Part(trunk, (0.33, 0.24, 0.17)), Part(crown, green * leaves * light)]
    canvas.paint_object(parts, Label.TREE, drop)


def draw_pole(canvas: Canvas, across: float, drop: float) -> None:
    """Draws a street lamp that leans over the road."""
    x, foot = canvas.column(across, drop), canvas.street.horizon + drop
    top = foot - canvas.rng.uniform(3.4, 4.6) * drop
    width = max(0.09 * drop, 1.2 * canvas.pixel)
    reach = x - np.sign(across) * 0.9 * drop
    parts = [
        Part(canvas.limb((x, foot), (x, top), width), (0.36, 0.38, 0.40)),
        Part(canvas.limb((x, top), (reach, top), width * 0.8), (0.36, 0.38, 0.40)),
        Part(
            canvas.disc(reach, top, max(0.22 * drop, canvas.pixel), width),
            (0.93, 0.90, 0.75),
        ),
    ]
    canvas.paint_object(parts, Label.POLE, drop)


def draw_car(canvas: Canvas, across: float, drop: float) -> None:
    """Draws a car from behind, or from the front if it is on the left."""
    rng = canvas.rng
    x, foot = canvas.column(across, drop), canvas.street.horizon + drop
    half, height = 0.6 * drop, rng.uniform(0.92, 1.15) * drop
    color = rng.choice(PAINTS)
    waist, floor = foot - 0.55 * height, foot - 0.14 * height
    lamps = (0.98, 0.95, 0.80) if across < 0 else (0.80, 0.06, 0.05)

    def slant(top: float, bottom: float, narrow: float, wide: float) -> Mask:
        share = (canvas.y - top) / (bottom - top)
        reach = narrow + (wide - narrow) * share
        return (share >= 0) & (share < 1) & (np.abs(canvas.x - x) < reach)

    canvas.darken(canvas.disc(x, foot, half * 1.15, 0.1 * drop), 0.5)
    parts = [
        Part(
            canvas.box(
                x + side * half * 0.78 - half * 0.17,
                foot - 0.3 * height,
                x + side * half * 0.78 + half * 0.17,
                foot,
            ),
            (0.08, 0.08, 0.09),
        )
        for side in (-1, 1)
    ]
    parts += [
        Part(slant(waist, floor, half * 0.94, half), color),
        Part(slant(foot - height, waist, half * 0.66, half * 0.92), color * 0.9),
        Part(
            slant(foot - 0.93 * height, waist, half * 0.58, half * 0.78),
            (0.16, 0.21, 0.26),
        ),
        Part(slant(floor - 0.1 * height, floor, half * 0.98, half), color * 0.55),
        Part(
            canvas.box(
                x - half * 0.22,
                floor - 0.2 * height,
                x + half * 0.22,
                floor - 0.11 * height,
            ),
            (0.88, 0.88, 0.80),
        ),
    ]
    parts += [
        Part(
            canvas.disc(
                x + side * half * 0.76,
                waist + 0.12 * height,
                half * 0.15,
                height * 0.06,
            ),
            lamps,
        )
        for side in (-1, 1)
    ]
    canvas.paint_object(parts, Label.CAR, drop)


def draw_pedestrian(canvas: Canvas, across: float, drop: float) -> None:
    """Draws someone walking, grown up or a child."""
    rng = canvas.rng
    x, foot = canvas.column(across, drop), canvas.street.horizon + drop
    size = rng.uniform(1.05, 1.25) * drop * (0.65 if rng.random() < 0.2 else 1)
    stride = rng.uniform(0.03, 0.13) * size
    shirt, trousers = rng.choice(CLOTHES, 2)
    skin = rng.choice(SKIN)
    hip, shoulder = foot - 0.47 * size, foot - 0.80 * size
    canvas.darken(canvas.disc(x, foot, 0.2 * size, 0.035 * size), 0.6)
    parts = []
    for side in (-1, 1):
        leg = canvas.limb(
            (x + side * 0.04 * size, hip), (x + side * stride, foot), 0.11 * size
        )
        hand = (x + side * (0.11 * size + stride * 0.6), foot - 0.45 * size)
        arm = canvas.limb((x + side * 0.10 * size, shoulder), hand, 0.07 * size)
        parts += [Part(leg, trousers * 0.7), Part(arm, shirt * 0.85)]
    torso = canvas.limb((x, shoulder + 0.05 * size), (x, hip), 0.24 * size)
    head = canvas.disc(x, foot - 0.92 * size, 0.065 * size, 0.08 * size)
    hair = head & (canvas.y < foot - 0.94 * size)
    parts += [
        Part(torso, shirt),
        Part(head, skin),
        Part(hair, rng.uniform(0.08, 0.4) * tint(1.0, 0.75, 0.5)),
    ]
    canvas.paint_object(parts, Label.PEDESTRIAN, drop)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of object, and the room that it takes, in camera heights."""

    draw: Callable[[Canvas, float, float], None]
    reach: float  # to either side
    height: float


TREE = Kind(draw_tree, reach=1.7, height=5.2)
POLE = Kind(draw_pole, reach=1.3, height=4.8)
CAR = Kind(draw_car, reach=0.8, height=1.3)
PEDESTRIAN = Kind(draw_pedestrian, reach=0.4, height=1.4)


def draw_objects(canvas: Canvas) -> None:
    """Draws what stands on the street, the farthest first."""
    street, rng = canvas.street, canvas.rng
    verge = street.road + 0.35
    lane = street.road * 0.45
    kerb = street.road - 0.75

    def places(count: int, nearest: float) -> list[float]:
        # Evenly spread in depth, as in a street, and so mostly small in the picture.
        return (1 / rng.uniform(1 / nearest, 16, count)).tolist()

    def sides(*choices: float) -> float:
        return float(rng.choice((-1, 1)) * rng.choice(choices))

    todo = [(drop, TREE, sides(verge + 0.3)) for drop in places(6, 0.35)]
    todo += [(drop, POLE, sides(verge - 0.15)) for drop in places(5, 0.40)]
    todo += [(drop, CAR, sides(lane, kerb, kerb)) for drop in places(5, 0.30)]
    todo += [
        (drop, PEDESTRIAN, sides(rng.uniform(street.road + 0.3, street.facade)))
        for drop in places(7, 0.40)
    ]
    todo += [
        (drop, PEDESTRIAN, sides(rng.uniform(0, street.road)))
        for drop in places(int(rng.integers(0, 3)), 0.30)
    ]
    for drop, kind, across in sorted(todo, key=lambda item: item[0]):
        x, foot = canvas.column(across, drop), street.horizon + drop
        view = canvas.window(
            x - kind.reach * drop,
            foot - kind.height * drop,
            x + kind.reach * drop,
            foot + 0.2 * drop,
        )
        if view.ids.size:
            kind.draw(view, across, drop)


def draw_bonnet(canvas: Canvas) -> None:
    """Draws the camera's own car, which no class describes."""
    middle = canvas.x.max() / 2
    bonnet = canvas.disc(middle, 1.12, canvas.x.max() * 0.62, 0.20)
    shine = np.clip(1.6 - 9 * (canvas.y - 0.92), 0.5, 1.6)[..., None]
    canvas.paint(bonnet, IGNORED, shine * tint(0.16, 0.18, 0.22))


def draw_scene(seed: int, height: int, width: int) -> tuple[Bytes, Bytes]:
    """Draws one scene.

    Args:
        seed: what the scene is drawn from; the same one gives the same scene.
        height: the picture's height, in pixels.
        width: the picture's width, in pixels.

    Returns:
        The picture u8[height, width, 3] and its class ids u8[height, width].
    """
    canvas = Canvas(np.random.default_rng(seed), height, width)
    horizon, right = canvas.street.horizon, float(canvas.x.max())
    ground = canvas.window(0, horizon, right, 1)
    draw_sky(canvas.window(0, 0, right, horizon))
    draw_skyline(canvas.window(0, horizon - 0.15, right, horizon))
    draw_ground(ground)
    draw_lane_marks(ground)
    draw_buildings(canvas)
    draw_objects(canvas)
    draw_bonnet(canvas.window(0, 0.9, right, 1))
    return canvas.finish()


def scene_seed(seed: int, split: str, index: int) -> int:
    """Returns one scene's own seed, whatever the number of scenes."""
    entropy = (seed, list(SHARDS).index(split), index)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def write_split(
    output: pathlib.Path, split: str, scenes: Iterable[tuple[Bytes, Bytes]]
) -> None:
    """Writes the scenes of one split as PNG files and as shards."""
    with loading():
        import tensorflow as tf

    images, labels = (output / split / name for name in ("images", "labels"))
    for folder in (images, labels, output / "shards"):
        folder.mkdir(parents=True, exist_ok=True)
    count = SHARDS[split]
    shards = [
        tf.io.TFRecordWriter(
            str(output / "shards" / f"{split}-{shard:05d}-of-{count:05d}.tfrecord")
        )
        for shard in range(count)
    ]
    for index, (image, ids) in enumerate(scenes):
        name = f"scene_{index:04d}.png"
        image_png, ids_png = encode_png(image), encode_png(ids)
        (images / name).write_bytes(image_png)
        (labels / name).write_bytes(ids_png)
        example = encode_example(f"{split}/{name}", image_png, ids_png, *ids.shape)
        shards[index % count].write(example)
    for shard in shards:
        shard.close()


def encode_example(
    name: str, image_png: bytes, ids_png: bytes, height: int, width: int
) -> bytes:
    """Encodes one record of a shard."""
    import tensorflow as tf

    values = {
        "image/encoded": image_png,
        "image/filename": name.encode(),
        "image/format": b"png",
        "image/segmentation/class/encoded": ids_png,
        "image/segmentation/class/format": b"png",
        "image/height": height,
        "image/width": width,
    }
    features = {
        key: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        if isinstance(value, int)
        else tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in values.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def class_map() -> str:
    """Returns the text of the sample's class map."""
    lines = [
        f"  - {{name: {label.name.lower()}, ids: [{label.value}], color: {[*color]}}}"
        for label, color in COLORS.items()
    ]
    head = ["name: street_sample", "encoding: index", f"ignore: [{IGNORED}]"]
    return "\n".join([*head, "others: error", "classes:", *lines, ""])


def main() -> None:
    """Writes the sample that the command line asks for."""
    parser = argparse.ArgumentParser(
        description="Draws street scenes with their label maps, as PNG and as TFRecord."
    )
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--train", type=int, default=48, help="number of scenes")
    parser.add_argument("--val", type=int, default=12, help="number of scenes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--height", type=int, default=192, help="in pixels")
    parser.add_argument("--width", type=int, default=256, help="in pixels")
    args = parser.parse_args()
    draw = functools.partial(draw_scene, height=args.height, width=args.width)
    with futures.ProcessPoolExecutor() as pool:
        # The other processes draw while this one imports TensorFlow, which it must
        # not do before it forks them.
        drawn = {
            split: pool.map(
                draw, [scene_seed(args.seed, split, index) for index in range(number)]
            )
            for split, number in (("train", args.train), ("val", args.val))
        }
        for split, scenes in drawn.items():
            write_split(args.output, split, scenes)
    (args.output / "classes.yaml").write_text(class_map(), encoding="utf-8")


if __name__ == "__main__":
    main()
