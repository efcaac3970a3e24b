"""A matrix as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError
from models.statistics.correlation import order
from services.correlate.correlate import Result

_SIDE = 1_200
_LEAST_LABELLED = 10
_MARGIN = 4
# Blue for −1, white for 0, red for 1 (ColorBrewer RdBu); undefined is grey.
_STOPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_COLOURS = ((33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43))
_UNDEFINED = (200, 200, 200)


def write_heatmap(result: Result, path: Path) -> None:
    """Write a PNG, coins in the order that puts those together that move together.

    Raises:
        InputError: `missing_package`, Pillow is not installed, or the file cannot be written.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise InputError(
            "missing_package", "expected Pillow for a picture: pip install 'cointide[plot]'"
        ) from error
    places = order(result.matrices.matrix, result.coins)
    coins = [result.coins[place] for place in places]
    size = max(1, min(32, _SIDE // max(1, len(coins))))
    cells = colours(result.matrices.matrix[np.ix_(places, places)])
    cells = cells.repeat(size, axis=0).repeat(size, axis=1)
    margin = 0
    font = ImageFont.load_default(size=max(8, min(14, size - 2)))
    if size >= _LEAST_LABELLED:
        margin = _MARGIN * 2 + int(max(font.getlength(coin) for coin in coins))
    image = Image.new("RGB", (margin + cells.shape[1], margin + cells.shape[0]), "white")
    image.paste(Image.fromarray(cells), (margin, margin))
    if margin:
        # What stands above is written on its side: into a picture that is then turned.
        top = Image.new("RGB", (margin, cells.shape[1]), "white")
        left, above = ImageDraw.Draw(image), ImageDraw.Draw(top)
        for number, coin in enumerate(coins):
            middle = (number + 0.5) * size
            left.text((margin - _MARGIN, margin + middle), coin, "black", font, anchor="rm")
            above.text((_MARGIN, middle), coin, "black", font, anchor="lm")
        image.paste(top.transpose(Image.Transpose.ROTATE_90), (margin, 0))
    try:
        image.save(path, "PNG")
    except OSError as error:
        raise InputError("unwritable_file", f"expected to write {path}: {error}") from error


def colours(matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return red, green and blue of every cell (N, N), shape (N, N, 3)."""
    values = np.nan_to_num(matrix)
    parts = [np.interp(values, _STOPS, [stop[part] for stop in _COLOURS]) for part in range(3)]
    found = np.rint(np.stack(parts, axis=-1)).astype(np.uint8)
    found[np.isnan(matrix)] = _UNDEFINED
    return found
