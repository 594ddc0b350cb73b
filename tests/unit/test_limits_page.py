"""docs/limits.md says what the code says, and no limit of the code is without a place on it."""

from pathlib import Path

from qwen_wire import options
from scripts.limits_page import FIXED, INTERNAL, OPTIONS, PAGE, PREFIXES, constants, limits_page


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == limits_page(), "write it anew: make docs"


def test_every_constant_that_is_a_limit_has_a_place() -> None:
    found = {place for place in constants() if place.split(":")[1].startswith(PREFIXES)}
    assert found - set(FIXED) - INTERNAL == set()
    assert (set(FIXED) | INTERNAL) - set(constants()) == set()
    assert not set(FIXED) & INTERNAL


def test_every_schema_of_options_is_on_the_page() -> None:
    schemas = {
        one
        for one in vars(options).values()
        if isinstance(one, type) and issubclass(one, options.Options) and not one.__subclasses__()
    }
    assert schemas <= set(OPTIONS.values())


def test_what_a_reader_looks_for_is_there() -> None:
    page = Path(PAGE).read_text()
    assert "|  | `max_file_bytes` | 536,870,912 | 1024 or more | size of a file, decoded from base64 |" in page
    assert "| levels of a JSON document | 64 |" in page
    assert "|  | `seed` | 0 to below 2^63 |" in page
