"""Sets whose file names say everything: JAFFE and KDEF."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from workbench.errors import UsageError
from workbench.faces.layouts.reading import files_below, first_pictures, is_picture
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import Item

_TWO_LETTERS: Final = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_JAFFE: Final = re.compile(r"(?P<subject>[A-Z]{2})\.(?P<code>AN|DI|FE|HA|NE|SA|SU)(?P<take>\d*)\.(?P<number>\d+)", re.I)
_KDEF: Final = re.compile(
    r"(?P<session>[AB])(?P<sex>[FM])(?P<number>\d{2})(?P<code>AF|AN|DI|HA|NE|SA|SU)(?P<view>S|HL|HR|FL|FR)", re.I
)
VIEWS: Final = {"S": "straight", "HL": "half left", "HR": "half right", "FL": "full left", "FR": "full right"}


def _all_named(pattern: re.Pattern[str]) -> Callable[[Path], bool]:
    """Whether every picture (of the first fifty) in a folder has such a name."""

    def fits(path: Path) -> bool:
        pictures = first_pictures(path) if path.is_dir() else []
        return bool(pictures) and all(pattern.fullmatch(picture.stem) for picture in pictures)

    return fits


def _named(path: Path, notes: Notes, pattern: re.Pattern[str], example: str) -> Iterator[tuple[Path, re.Match[str]]]:
    if not path.is_dir():
        raise UsageError(f"{path}: the layout is a folder of pictures named like {example}; name the folder")
    for file in files_below(path):
        if is_picture(file):
            match = pattern.fullmatch(file.stem)
            if match:
                yield file, match
            else:
                notes.left_out(f"no name as {example}", file.name)


@layout(
    "jaffe",
    recognise=_all_named(_JAFFE),
    reference="Lyons, Kamachi & Gyoba, Coding facial expressions with Gabor wavelets, 1998, arXiv:2009.05938",
)
def jaffe(path: Path, notes: Notes) -> Iterator[Item]:
    """KA.AN1.39.tiff: subject, expression (AN DI FE HA NE SA SU) and its number, number of the picture.

    Group: `take`, the number of the expression. Other names are left out and counted.
    """
    for file, name in _named(path, notes, _JAFFE, "KA.AN1.39.tiff"):
        yield Item.of_file(
            file.relative_to(path).as_posix(),
            file,
            label=_TWO_LETTERS[name["code"].upper()],
            subject=name["subject"].upper(),
            groups={"take": name["take"]},
        )


@layout(
    "kdef",
    recognise=_all_named(_KDEF),
    reference="Lundqvist, Flykt & Öhman, The Karolinska directed emotional faces, 1998",
)
def kdef(path: Path, notes: Notes, view: str = "") -> Iterator[Item]:
    """AF01ANS.JPG: session (A, B), sex, subject, expression (AF AN DI HA NE SA SU), view (S, HL, HR, FL, FR).

    view: only this one ("straight", "half left", …). Subjects are sex and number ("F01"): both sessions show the
    same person. Groups: `session`, `sex`, `view`. Other names (the set has some that are cut short) are left out.
    """
    if view and view not in VIEWS.values():
        raise UsageError(f"view is {view!r}; take {', '.join(map(repr, VIEWS.values()))}")
    for file, name in _named(path, notes, _KDEF, "AF01ANS.JPG"):
        seen = VIEWS[name["view"].upper()]
        if view and seen != view:
            continue
        yield Item.of_file(
            file.relative_to(path).as_posix(),
            file,
            label=_TWO_LETTERS[name["code"].upper()],
            subject=f"{name['sex'].upper()}{name['number']}",
            groups={
                "session": name["session"].upper(),
                "sex": "female" if name["sex"].upper() == "F" else "male",
                "view": seen,
            },
        )
