"""Cuts the font of the statutory documents out of Noto Serif CJK and writes down which characters it holds.

    apt-get install fonts-noto-cjk unicode-data && pip install fonttools
    python -m tools.paper_font /usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc \
        /usr/share/unicode/Unihan_OtherMappings.txt.bz2

Kept are the CJK block U+4E00–9FFF, the characters of the Table of General Standard Chinese Characters (通用规范汉字表)
beyond it, punctuation and Latin; hinting and layout features are not, because nothing is set on a screen. The result
is committed, with the list by which the printer knows what it cannot draw: a deployment needs no font of its own.
"""

import argparse
import bz2
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

FONTS = Path(__file__).parents[1] / "casework" / "papers" / "fonts"
#: In the collection: Japanese, Korean, Simplified Chinese, …
_SIMPLIFIED_CHINESE = 2
_BLOCKS = (
    (0x20, 0x7E),  # ASCII
    (0xA0, 0xFF),  # Latin-1
    (0x2000, 0x206F),  # general punctuation
    (0x2100, 0x214F),  # ℃ №
    (0x2150, 0x218F),  # Roman numerals
    (0x2190, 0x2193),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x2460, 0x24FF),  # ① (1)
    (0x2500, 0x25FF),  # lines and boxes: □ ○
    (0x3000, 0x303F),  # CJK punctuation: 〔 〕
    (0x3200, 0x33FF),  # ㈠ ㎡
    (0x4E00, 0x9FFF),  # CJK
    (0xFF00, 0xFFEF),  # full-width forms
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("unihan", type=Path)
    arguments = parser.parse_args()
    wanted = {point for first, last in _BLOCKS for point in range(first, last + 1)} | set(_standard(arguments.unihan))
    font = FONTS / "NotoSerifSC-Papers.otf"
    subprocess.run(
        [
            *(sys.executable, "-m", "fontTools.subset", str(arguments.collection)),
            f"--font-number={_SIMPLIFIED_CHINESE}",
            f"--unicodes={','.join(f'{point:X}' for point in sorted(wanted))}",
            *("--layout-features=", "--no-hinting", "--notdef-outline", "--name-IDs=*", f"--output-file={font}"),
        ],
        check=True,
    )
    listed = subprocess.run(
        [sys.executable, "-c", _LIST, str(font)], check=True, capture_output=True, text=True
    ).stdout.split()
    (FONTS / "coverage.txt").write_text("\n".join(_ranges(int(point) for point in listed)) + "\n")


_LIST = "import sys, fontTools.ttLib as t; print(*sorted(t.TTFont(sys.argv[1]).getBestCmap()))"


def _standard(unihan: Path) -> Iterator[int]:
    """Code points with a place in the Table of General Standard Chinese Characters (Unihan's kTGH)."""
    with bz2.open(unihan, "rt") as lines:
        for line in lines:
            if found := re.match(r"U\+([0-9A-F]+)\tkTGH\t", line):
                yield int(found[1], 16)


def _ranges(points: Iterable[int]) -> Iterator[str]:
    """`4E00-9FFF`, one range a line."""
    first = last = -2
    for point in points:
        if point != last + 1:
            if last >= 0:
                yield f"{first:X}-{last:X}"
            first = point
        last = point
    yield f"{first:X}-{last:X}"


if __name__ == "__main__":
    main()
