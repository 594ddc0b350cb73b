"""The prompts of prompts.toml and the schemas beside it: what chains ask the chat model for, and how."""

import functools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_wire.errors import InvalidRequest

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Prompt:
    """One task: `system` says what to do; the answer is JSON of `schema`, plain text where that is None."""

    name: str
    system: str
    schema: Mapping[str, Any] | None

    def messages(self, text: str) -> list[dict[str, str]]:
        """The chat that asks for `text` to be worked on.

        prompt("translate").messages("zh: Hello everyone.")
        """
        return [{"role": "system", "content": self.system}, {"role": "user", "content": text}]


def prompt(name: str) -> Prompt:
    """The task `name`. Raises InvalidRequest for one that there is not."""
    if name not in prompts():
        raise InvalidRequest(f"prompt: {name!r} is not one of {', '.join(prompts())}")
    return prompts()[name]


@functools.cache
def prompts() -> dict[str, Prompt]:
    """Every task by name."""
    tasks = {name: section for name, section in _file().items() if isinstance(section, dict)}
    return {name: Prompt(name, section["system"].strip(), _schema(name)) for name, section in tasks.items()}


def written_json(value: Any) -> str:
    """`value` as the chat model writes it."""
    return json.dumps(value, ensure_ascii=False, separators=tuple(_file()["json_separators"]))


def _schema(name: str) -> dict[str, Any] | None:
    path = FOLDER / "schemas" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "prompts.toml").read_text(encoding="utf-8"))
