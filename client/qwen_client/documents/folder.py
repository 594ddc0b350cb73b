"""The folder that a chain's result is saved in."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qwen_client.documents.blocks import Block
from qwen_client.documents.markdown import markdown
from qwen_client.documents.word import write_word
from qwen_client.pictures import Picture


class Folder:
    """Makes the folder, writes files into it and remembers which (`written`)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.written: list[Path] = []

    def file(self, name: str) -> Path:
        """The path of a file that the caller is about to write."""
        path = self.path / name
        self.written.append(path)
        return path

    def picture(self, name: str, picture: Picture) -> str:
        """Write NAME.png, or whatever format the picture has; returns the file's name."""
        file = self.file(f"{name}.{picture.format}")
        picture.save(file)
        return file.name

    def text(self, name: str, content: str) -> None:
        self.file(name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: Any) -> None:
        self.text(name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def document(self, name: str, blocks: Sequence[Block]) -> None:
        """Write NAME.md and NAME.docx."""
        self.text(f"{name}.md", markdown(blocks))
        write_word(blocks, self.file(f"{name}.docx"))
