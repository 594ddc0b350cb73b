# /// script
# requires-python = ">=3.11"
# dependencies = ["babel==2.17.0"]
# ///
"""wire/qwen_wire/exonyms.tsv: what the languages call each other, from Unicode's CLDR by way of Babel.

    PYTHONPATH=wire uv run scripts/exonyms.py

Babel is needed here alone: the table is small, and changes as rarely as the languages that the models know.
"""

from collections import Counter

import babel

from qwen_wire.languages import EXONYMS, LANGUAGES, Language, key_of

LOCALES = (*(language.code for language in LANGUAGES), "zh_Hant", "pt_PT")
HEADER = (
    "# Made by scripts/exonyms.py from Unicode CLDR 46 (Babel 2.17.0). Unicode License v3, © 1991-2024 Unicode, Inc."
)


def exonyms(language: Language) -> dict[str, str]:
    """What a language is called in the others, by key, without what its own row of LANGUAGES has."""
    own = {key_of(one) for one in (language.code, language.name, *language.others)}
    names = (babel.Locale.parse(locale).languages.get(language.code, "") for locale in LOCALES)
    return {key_of(name): name for name in names if name and key_of(name) not in own}


def main() -> None:
    found = {language.code: exonyms(language) for language in LANGUAGES}
    counts = Counter(key for names in found.values() for key in names)
    rows = [
        "\t".join([code, *(name for key, name in names.items() if counts[key] == 1)]) for code, names in found.items()
    ]
    EXONYMS.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
