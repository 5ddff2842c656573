"""How much burned-in text is found, how often tissue is taken for text, and what reading a frame costs.

Usage: python -m benchmarks.burned_in [--images N] [--clean N] [--first N] [--missed]
Synthetic images of 512² pixels, four lines each: grey tissue of four kinds, lines of 8 to 24 pixels, white, black, grey
and coloured, one in sixteen turned by 90°. A line counts as found when its boxes cover at least 90 % of the rectangle
around its ink. Free images hold tissue, vessels, traces, grids and noise, and no text. Ours was tuned on the images
from 0 on; `--first 100` are others. The peer is rapidocr_onnxruntime as it comes, its boxes grown by the same margin.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from deidentification.pixels.findings import Box
from deidentification.pixels.reading import MARGIN, reader

Picture = NDArray[np.uint8]
Find = Callable[[Picture], list[Box]]
SIZE: Final = 512
LINES: Final = 4
COVERED: Final = 0.9
# A line that a person could not see either is drawn elsewhere.
LEAST_CONTRAST: Final = 25
FONTS: Final = (
    *(f"/usr/share/fonts/truetype/dejavu/DejaVu{name}.ttf" for name in ("Sans", "SansMono", "Serif")),
    "",
)
GIVEN: Final = ("Kari", "Ola", "Nora", "Emma", "Lars", "Ingrid", "Bjørn", "Anne", "Per", "Liv")
FAMILY: Final = ("Nordmann", "Hansen", "Johansen", "Olsen", "Larsen", "Andersen", "Berg", "Haugen", "Solberg", "Lund")
PLACES: Final = ("Fjord University Hospital", "St. Elsewhere", "Dr. Ingrid Haugen", "Oslo Radiology", "Ref: Dr Solberg")
COLOURS: Final = ((255, 255, 0), (0, 255, 0), (0, 255, 255), (255, 80, 80), (120, 160, 255))
GREYS: Final = ((20, 140), (60, 200), (0, 90), (100, 240))


@dataclass(frozen=True)
class Line:
    """What was written where."""

    x: int
    y: int
    width: int
    height: int
    text: str
    style: str
    size: int
    turned: bool


def phrase(chance: random.Random) -> str:
    """Something that identifies a patient, as machines print it."""
    year, month, day = chance.randint(1930, 2024), chance.randint(1, 12), chance.randint(1, 28)
    family, given = chance.choice(FAMILY), chance.choice(GIVEN)
    clock = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}"
    return chance.choice(
        (
            f"{family.upper()}^{given.upper()}",
            f"{family}, {given} {chance.choice('ABEFM')}.",
            f"ID: {chance.randint(10**9, 10**10)}",
            f"DOB {day:02}.{month:02}.{year}",
            f"{year}-{month:02}-{day:02} {clock}",
            f"Acc {chance.randint(10**6, 10**8)}",
            chance.choice(PLACES),
            f"{family} {given} {chance.randint(20, 90)}Y {chance.choice('MF')}",
            f"MRN {chance.randint(10**5, 10**7)} {chance.choice('MF')}",
        )
    )


def tissue(seed: int) -> Picture:
    """Grey, of several scales, some with an outline on black."""
    noise = np.random.default_rng(seed)
    values = np.zeros((SIZE, SIZE), np.float32)
    for scale, weight in ((64, 1.0), (24, 0.6), (8, 0.3), (2, 0.15)):
        layer = cv2.GaussianBlur(noise.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), scale)
        values += weight * layer / layer.std()
    values = (values - values.min()) / (values.max() - values.min())
    low, high = GREYS[seed % len(GREYS)]
    values = low + values * (high - low)
    if seed % 3 == 0:
        rows, columns = np.mgrid[:SIZE, :SIZE]
        radius = ((rows - SIZE / 2) / (SIZE * 0.42)) ** 2 + ((columns - SIZE / 2) / (SIZE * 0.36)) ** 2
        values = np.where(radius < 1, values, values * 0.02)
        values = np.where((radius > 0.9) & (radius < 1), np.minimum(values + 100, 255), values)
    values += noise.standard_normal((SIZE, SIZE)) * (3, 8, 0)[seed % 3]
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def written(seed: int) -> tuple[Picture, list[Line]]:
    """A picture (BGR) with lines in it."""
    chance, ground = random.Random(seed), tissue(seed)
    picture = Image.fromarray(ground).convert("RGB")
    lines: list[Line] = []
    while len(lines) < LINES:
        line, ink, colour = _line(chance, ground, seed)
        if line is not None and not any(_near(line, other) for other in lines):
            picture.paste(Image.new("RGB", (SIZE, SIZE), colour), (0, 0), ink)
            lines.append(line)
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]), lines


def _line(chance: random.Random, ground: Picture, seed: int) -> tuple[Line | None, Image.Image, tuple[int, int, int]]:
    size, text, turned = chance.randint(8, 24), phrase(chance), chance.random() < 1 / 16
    style = chance.choice(("light", "light", "dark", "grey", "colour" if seed % 2 else "light"))
    path = chance.choice([font for font in FONTS if not font or Path(font).exists()])
    font = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    ink = Image.new("L", (SIZE, SIZE))
    wide, high = int(ImageDraw.Draw(ink).textlength(text, font)) + 2, size + size // 2
    place = (chance.randrange(2, max(3, SIZE - (high if turned else wide))),
             chance.randrange(2, max(3, SIZE - (wide if turned else high))))  # fmt: skip
    if turned:
        label = Image.new("L", (wide, high))
        ImageDraw.Draw(label).text((0, 0), text, 255, font)
        ink.paste(label.rotate(90, expand=True), place)
    else:
        ImageDraw.Draw(ink).text(place, text, 255, font)
    rows, columns = np.nonzero(np.asarray(ink) > 40)
    local = ground[rows, columns].astype(np.int32)
    mean = int(local.mean())
    colour = {
        "light": (255,) * 3 if mean < 190 else (0,) * 3,
        "dark": (0,) * 3 if mean > 70 else (230,) * 3,
        "grey": ((mean + 70 if mean < 150 else mean - 70),) * 3,
        "colour": chance.choice(COLOURS),
    }[style]
    visible = np.mean(np.abs(local - max(colour)) >= LEAST_CONTRAST) > 0.97
    edge = rows.min() < 2 or columns.min() < 2 or rows.max() > SIZE - 3 or columns.max() > SIZE - 3
    if edge or not visible:
        return None, ink, (0, 0, 0)
    left, top = int(columns.min()), int(rows.min())
    box = (left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
    return Line(*box, text, style, size, turned), ink, (colour[0], colour[1], colour[2])


def _near(one: Line, other: Line) -> bool:
    return (one.x < other.x + other.width + 8 and other.x < one.x + one.width + 8) and (
        one.y < other.y + other.height + 8 and other.y < one.y + one.height + 8
    )


def free(seed: int) -> Picture:
    """A picture (BGR) without text, with what might be taken for it."""
    chance, picture = random.Random(seed), tissue(1000 + seed)
    kind = seed % 7
    if kind == 1:
        for at in range(0, SIZE, SIZE // 8):
            cv2.line(picture, (at, 0), (at, SIZE), (180,), 1)
    elif kind == 2:
        for _ in range(40):
            middle = (chance.randrange(SIZE), chance.randrange(SIZE))
            axes = (chance.randrange(3, 30), chance.randrange(3, 30))
            cv2.ellipse(picture, middle, axes, 0, 0, 360, (chance.randrange(120, 255),), chance.choice((1, 2, -1)))
    elif kind == 3:
        beat = [[at, int(SIZE / 2 + 120 * np.sin(at / 9) * (at % 50 < 8))] for at in range(0, SIZE, 2)]
        cv2.polylines(picture, [np.array(beat)], False, (230,), 1)
        for at in range(0, SIZE, 16):
            cv2.line(picture, (SIZE - 12, at), (SIZE - 4, at), (220,), 1)
    elif kind == 4:
        for _ in range(6):
            here = (chance.randrange(SIZE), chance.randrange(SIZE))
            for _ in range(60):
                there = (here[0] + chance.randint(-14, 14), here[1] + chance.randint(-14, 14))
                cv2.line(picture, here, there, (chance.randrange(150, 230),), chance.choice((1, 1, 2)))
                here = there
    elif kind == 5:
        grain = np.random.default_rng(seed).integers(0, 256, (SIZE // 4, SIZE // 4)).astype(np.uint8)
        mixed = cv2.addWeighted(picture, 0.6, cv2.resize(grain, (SIZE, SIZE)), 0.4, 0)
        picture = np.ascontiguousarray(mixed, np.uint8)
    return np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)


def covered(line: Line, boxes: list[Box]) -> float:
    """The share of the line's rectangle that the boxes cover."""
    hidden = np.zeros((SIZE, SIZE), bool)
    for box in boxes:
        hidden[box.y : box.y + box.height, box.x : box.x + box.width] = True
    return float(hidden[line.y : line.y + line.height, line.x : line.x + line.width].mean())


def ours() -> Find:
    """The engine's reader; no image is seen twice."""
    return reader().lines


def rapidocr() -> Find:
    """The peer: one call per image with its own settings."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)

    def find(picture: Picture) -> list[Box]:
        corners = [np.array(quad, int) for quad, *_ in engine(picture)[0] or ()]
        low = [np.maximum(quad.min(axis=0) - MARGIN, 0) for quad in corners]
        high = [quad.max(axis=0) + MARGIN + 1 for quad in corners]
        return [
            Box(int(near[0]), int(near[1]), int(far[0] - near[0]), int(far[1] - near[1]))
            for near, far in zip(low, high, strict=True)
        ]

    return find


CONTENDERS: Final[dict[str, Callable[[], Find]]] = {"FIONA": ours, "rapidocr_onnxruntime": rapidocr}


def measure(find: Find, first: int, images: int, clean: int) -> dict[str, Any]:
    """Recall of lines, free images hit, median milliseconds per image on one core, and what was missed."""
    found, missed, times, hit = 0, [], [], 0
    for seed in range(first, first + images):
        picture, lines = written(seed)
        began = time.process_time()
        boxes = find(picture)
        times.append(time.process_time() - began)
        for line in lines:
            share = covered(line, boxes)
            found += share >= COVERED
            if share < COVERED:
                missed.append((seed, line.text, line.style, line.size, line.turned, round(share, 2)))
    for seed in range(first, first + clean):
        picture = free(seed)
        began = time.process_time()
        hit += bool(find(picture))
        times.append(time.process_time() - began)
    return {
        "lines": LINES * images, "found": found, "recall": round(found / (LINES * images), 4),
        "free": clean, "free_hit": hit, "ms_per_image": round(1000 * statistics.median(times)), "missed": missed,
    }  # fmt: skip


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--clean", type=int, default=42)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--missed", action="store_true", help="list the lines that were not covered")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    console, rows = Console(), dict[str, Any]()
    table = Table("who", "lines", "found", "recall", "free images", "of them hit", "CPU ms per image")
    for name, contender in CONTENDERS.items():
        row = rows[name] = measure(contender(), arguments.first, arguments.images, arguments.clean)
        table.add_row(
            name, *(str(row[key]) for key in ("lines", "found", "recall", "free", "free_hit", "ms_per_image"))
        )
    console.print(table)
    for name, row in rows.items() if arguments.missed else ():
        for line in row["missed"]:
            console.print(name, *line)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
