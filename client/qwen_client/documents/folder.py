"""The folder that a chain's result is saved in."""

import itertools
import json
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from qwen_client.documents.blocks import Block
from qwen_client.documents.markdown import markdown
from qwen_client.documents.word import write_word
from qwen_client.pictures import Picture

UNSAFE = re.compile(r"[^\w.+-]")
MAX_NAME_BYTES = 120
LISTING = ".files.json"  # what a run has written, so that the next one leaves none of it behind


class Folder:
    """Makes the folder, writes files into it and remembers which (`written`)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.written: list[Path] = []

    def file(self, name: str) -> Path:
        """The path of a file that the caller is about to write, whatever a server called it: always in the folder."""
        path = self.path / file_name(name, {one.name for one in self.written})
        self.written.append(path)
        return path

    def finish(self) -> list[Path]:
        """Remove what an earlier run has written here and this one has not; returns the files of this one."""
        names = {file.name for file in self.written}
        for name in self._earlier() - names:
            (self.path / name).unlink(missing_ok=True)
        (self.path / LISTING).write_text(json.dumps(sorted(names)) + "\n", encoding="utf-8")
        return self.written

    def _earlier(self) -> set[str]:
        try:
            names = json.loads((self.path / LISTING).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return set()
        listed = names if isinstance(names, list) else []
        return {name for name in listed if isinstance(name, str) and file_name(name) == name}

    def picture(self, name: str, picture: Picture) -> str:
        """Write NAME.png, or whatever format the picture has; returns the file's name."""
        file = self.file(f"{name}.{picture.format}")
        picture.save(file)
        return file.name

    def text(self, name: str, content: str) -> None:
        self.file(name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: Any) -> None:
        self.text(name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def document(self, name: str, blocks: Sequence[Block], language: str) -> None:
        """Write NAME.md and NAME.docx, whose text is in `language`."""
        self.text(f"{name}.md", markdown(blocks, language))
        write_word(blocks, self.file(f"{name}.docx"), language)


def file_name(name: str, taken: Collection[str] = ()) -> str:
    """`name` as the name of a file: without folders, signs that a file system reads in its own way, and great length.

    Where it is `taken`, a number makes it another.
    """
    stem, dot, suffix = UNSAFE.sub("_", name.replace("\0", "_")).rpartition(".")
    if not stem:
        stem, dot, suffix = suffix, "", ""
    stem = stem.lstrip(".") or "_"
    room = MAX_NAME_BYTES - len((dot + suffix).encode())
    short = stem.encode()[: max(room, 1)].decode(errors="ignore")
    names = itertools.chain([short], (f"{short}-{number}" for number in itertools.count(2)))
    return next(one + dot + suffix for one in names if one + dot + suffix not in taken)
