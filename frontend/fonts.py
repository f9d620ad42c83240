"""Makes the TrueType fonts of the PDFs: Inter for European scripts, from the woff2 of inter-ui."""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

STYLES = ("Regular", "Italic", "Medium", "SemiBold", "Bold")
EUROPEAN = [
    *range(0x0020, 0x0250),  # Latin and its extensions
    *range(0x0300, 0x0370),  # combining marks
    *range(0x0370, 0x0530),  # Greek and Cyrillic
    *range(0x1E00, 0x1F00),  # Latin extended additional
    *range(0x2000, 0x2070),  # dashes, quotation marks, spaces
    *range(0x2070, 0x20D0),  # superscripts and currencies
    *range(0x2100, 0x2300),  # letter-like, arrows, mathematics
    *range(0x2500, 0x2760),  # shapes, check marks
]


def main(source: Path, target: Path) -> None:
    """Write one TrueType file a style."""
    for style in STYLES:
        font = TTFont(source / f"Inter-{style}.woff2", recalcTimestamp=False)
        font.flavor = None
        options = subset.Options(
            layout_features=["kern", "mark", "mkmk", "ccmp", "locl", "tnum", "calt", "case"],
            name_IDs=["*"],
            notdef_outline=True,
        )
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=EUROPEAN)
        subsetter.subset(font)
        font.save(target / f"Inter-{style}.ttf")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
