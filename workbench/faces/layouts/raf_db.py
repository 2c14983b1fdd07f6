"""RAF-DB, single-label subset: a list of names and codes beside folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from workbench.errors import UsageError, WorkbenchError
from workbench.faces.layouts.reading import coded, files_below, is_picture, text_lines, whole
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import Item

CODES: Final = {1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"}
_LISTS: Final = ("list_patition_label.txt", "list_partition_label.txt")  # the set spells it the first way
_GENDER: Final = {0: "male", 1: "female", 2: "unsure"}
_RACE: Final = {0: "Caucasian", 1: "African-American", 2: "Asian"}
_AGE: Final = {0: "0-3", 1: "4-19", 2: "20-39", 3: "40-69", 4: "70+"}


def _list_of(path: Path) -> Path | None:
    """The set's own list at a path or where the set puts it below."""
    if path.is_file():
        return path if path.name in _LISTS else None
    folders = [path, path / "EmoLabel", path / "basic", path / "basic" / "EmoLabel"]
    return next((folder / name for folder in folders for name in _LISTS if (folder / name).is_file()), None)


def _lists(path: Path) -> list[Path]:
    """The set's own list, or the two CSV files (image, label) of copies that were sorted into numbered folders."""
    own = _list_of(path)
    if own or path.is_file():
        return [own or path]
    return [file for name in ("train_labels.csv", "test_labels.csv") if (file := path / name).is_file()]


@layout(
    "raf-db",
    recognise=lambda path: _list_of(path) is not None,
    reference="Li, Deng & Du, Reliable crowdsourcing and deep locality-preserving learning, CVPR 2017",
)
def raf_db(path: Path, notes: Notes, part: str = "", images: str = "aligned") -> Iterator[Item]:
    """list_patition_label.txt with lines `train_00001.jpg 5` (1-7), beside folders of aligned or original pictures.

    Copies with train_labels.csv and test_labels.csv (image,label) beside the pictures are read too.
    part: "train" or "test" alone. images: "aligned" (100 × 100, default) or "original"; where only the other is there,
    it is taken and said. Groups: `part`, and `gender`, `race`, `age` where `Annotation/manual` holds them. A listed
    picture that is missing becomes a failure by name.
    """
    if images not in ("aligned", "original"):
        raise UsageError(f"images is {images!r}; take 'aligned' or 'original'")
    lists = _lists(path)
    if not lists:
        raise UsageError(f"{path}: no {_LISTS[0]} in it or in EmoLabel; name the folder that holds it")
    root = lists[0].parent.parent if lists[0].parent.name.lower() == "emolabel" else lists[0].parent
    found: dict[str, dict[str, Path]] = {"aligned": {}, "original": {}}
    attributes: dict[str, Path] = {}
    for file in files_below(root):
        if is_picture(file):
            kind = "aligned" if file.stem.endswith("_aligned") else "original"
            found[kind].setdefault(file.stem.removesuffix("_aligned"), file)
        elif file.name.endswith("_manu_attri.txt"):
            attributes[file.name.removesuffix("_manu_attri.txt")] = file
    other = "original" if images == "aligned" else "aligned"
    if not found[images] and found[other]:
        notes.say(f"only {other} pictures were found below {root}; they were taken")
        images = other
    if not found[images]:
        raise WorkbenchError(f"{root}: none of the pictures that {lists[0].name} lists is below it; unpack them there")
    for listed in lists:
        for line, text in text_lines(listed):
            words = text.replace(",", " ").split()
            if line == 1 and words == ["image", "label"]:
                continue
            if len(words) != 2:
                raise UsageError(f"{listed}, line {line}: {text!r}; expected picture and code, as train_00001.jpg 5")
            label = coded(CODES, words[1], listed, line)
            stem = Path(words[0]).stem.removesuffix("_aligned")
            of_part = stem.partition("_")[0]
            if part and of_part != part:
                continue
            file = found[images].get(stem, root / words[0])
            groups = {"part": of_part, **(_attributes(attributes.get(stem)) if attributes else {})}
            yield Item.of_file(words[0], file, label=label, groups=groups)


def _attributes(path: Path | None) -> dict[str, Any]:
    """Gender, race and age of `…_manu_attri.txt`: five landmarks, then one code a line."""
    if path is None:
        return {"gender": "", "race": "", "age": ""}
    codes = [(line, text) for line, text in text_lines(path) if len(text.split()) == 1]
    if len(codes) != 3:
        raise UsageError(f"{path}: {len(codes)} lines of one number, expected three (gender, race, age); replace it")
    tables = {"gender": _GENDER, "race": _RACE, "age": _AGE}
    return {
        name: table.get(whole(text, path, line, name), text)
        for (name, table), (line, text) in zip(tables.items(), codes, strict=True)
    }
