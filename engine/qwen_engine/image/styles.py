"""Styles by name, each a prompt template in English and Chinese."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from qwen_wire.errors import InvalidRequest

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Style:
    """`titles` and `templates` by language; a template holds `{prompt}` once."""

    name: str
    titles: Mapping[Language, str]
    templates: Mapping[Language, str]


@cache
def styles() -> Mapping[str, Style]:
    """All styles by name, in the order of the file."""
    sections = tomllib.loads(Path(__file__).with_name("styles.toml").read_text(encoding="utf-8"))
    return {
        name: Style(name, section["title"], {"en": section["en"], "zh": section["zh"]})
        for name, section in sections.items()
    }


def styled(prompt: str, name: str) -> str:
    """`prompt` in the style's template, in the prompt's language; one that is in a template of it already stays.

    Raises:
        InvalidRequest: no style has this name.
    """
    if name not in styles():
        raise InvalidRequest(f"OPTIONS.style is {name!r}; allowed: {', '.join(styles())}")
    templates = styles()[name].templates
    if any(_is_in(prompt, template) for template in templates.values()):
        return prompt
    return templates[language_of(prompt)].replace("{prompt}", prompt.rstrip(" \t\n.,;。，；"))


def _is_in(prompt: str, template: str) -> bool:
    before, after = template.split("{prompt}")
    return prompt.startswith(before) and prompt.endswith(after)


def language_of(prompt: str) -> Language:
    """Chinese where `prompt` has more Chinese characters than words of Latin letters, such as quoted names."""
    return "zh" if len(HAN.findall(prompt)) > len(WORD.findall(prompt)) else "en"
