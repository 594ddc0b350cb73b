"""The languages of the models, and every way that callers write one: one table for all places that take a language.

A language is given by its English or native name, or what it is called in another of them (exonyms.tsv), an ISO 639
code of two or three letters, or a BCP 47 tag that may have a script and a region (`zh-Hans-CN`, `en_US`, a locale such
as `en_US.UTF-8`), in any case. The English names are what the checkpoints were trained to write and to be told.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut

AUTO = "auto"
UNKNOWN = frozenset({"", AUTO, "und"})  # "und" is BCP 47's "undetermined"
MAX_CHARS = 100
EXONYMS = Path(__file__).with_name("exonyms.tsv")
TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")
LOCALE = re.compile(r"[.@].*")  # en_US.UTF-8, de_DE@euro
QUALIFIED = re.compile(r"([^()]+?) ?\(([^()]+)\)")
CHINESE, CANTONESE = "Chinese", "Cantonese"
MACRO_CHINESE = frozenset({"zh", "zho", "chi"})  # leave open which one is spoken; cmn does not
CANTONESE_REGIONS = frozenset({"hk", "mo"})


@dataclass(frozen=True)
class Language:
    """`name`: in English; `own_name`: in itself; `others`: its ISO 639-2 and -3 codes, that, and other names in use."""

    code: str
    name: str
    own_name: str
    others: tuple[str, ...]


def _language(code: str, name: str, codes: str, *names: str) -> Language:
    return Language(code, name, next(iter(names), name), (*codes.split(), *names))


# Codes of individual languages (Egyptian Arabic, Dari) stand for the one that the models know them as.
LANGUAGES = (
    _language("ar", "Arabic", "ara arb arz apc apd acm acw ary arq aeb ajp afb ars", "العربية", "عربي"),
    _language("cs", "Czech", "ces cze", "čeština", "česky"),
    _language("da", "Danish", "dan", "dansk"),
    _language("de", "German", "deu ger", "Deutsch"),
    _language("el", "Greek", "ell gre", "Ελληνικά", "Modern Greek"),
    _language("en", "English", "eng"),
    _language("es", "Spanish", "spa", "español", "castellano", "Castilian"),
    _language("fa", "Persian", "fas per pes prs", "فارسی", "Farsi", "Dari"),
    _language("fi", "Finnish", "fin", "suomi"),
    _language("fil", "Filipino", "tl tgl", "Pilipino", "Tagalog"),
    _language("fr", "French", "fra fre", "français"),
    _language("hi", "Hindi", "hin", "हिन्दी", "हिंदी"),
    _language("hu", "Hungarian", "hun", "magyar"),
    _language("id", "Indonesian", "ind in", "Bahasa Indonesia"),
    _language("it", "Italian", "ita", "italiano"),
    _language("ja", "Japanese", "jpn", "日本語"),
    _language("ko", "Korean", "kor", "한국어", "조선말"),
    _language("mk", "Macedonian", "mkd mac", "македонски"),
    _language("ms", "Malay", "msa may zsm zlm", "Bahasa Melayu", "Melayu"),
    _language("nl", "Dutch", "nld dut", "Nederlands", "Flemish", "Vlaams"),
    _language("pl", "Polish", "pol", "polski"),
    _language("pt", "Portuguese", "por", "português"),
    _language("ro", "Romanian", "ron rum mo mol", "română", "Moldavian"),
    _language("ru", "Russian", "rus", "русский"),
    _language("sv", "Swedish", "swe", "svenska"),
    _language("th", "Thai", "tha", "ไทย", "ภาษาไทย"),
    _language("tr", "Turkish", "tur", "Türkçe"),
    _language("vi", "Vietnamese", "vie", "Tiếng Việt"),
    _language("yue", "Cantonese", "", "粵語", "粤语", "廣東話", "广东话", "白話", "白话", "Chinese (Cantonese)",
              "Chinese (Hong Kong)", "Chinese (Macau)"),
    _language("zh", "Chinese", "zho chi cmn", "中文", "汉语", "漢語", "普通话", "普通話", "国语", "國語", "华语",
              "華語", "简体中文", "簡體中文", "繁体中文", "繁體中文", "Mandarin", "Mandarin Chinese",
              "Simplified Chinese", "Traditional Chinese", "Chinese (Mandarin)", "Chinese (Simplified)",
              "Chinese (Traditional)", "Chinese (China)", "Chinese (Taiwan)", "Chinese (Singapore)", "Putonghua"),
)  # fmt: skip
NAMES = {language.code: language.name for language in LANGUAGES}
CODES = {language.name: language.code for language in LANGUAGES}
# The recogniser hears them, and writes Chinese; a voice that speaks one is a speaker's own.
DIALECTS = {
    "Wu": ("wuu", "Shanghainese", "Wu Chinese", "吴语", "吳語", "上海话", "上海話"),
    "Minnan": ("nan", "Hokkien", "Taiwanese", "Min Nan", "闽南语", "閩南語", "台语", "臺語"),
    "Xiang": ("hsn",),
    "Gan": (),
    "Hakka": ("hak",),
    "Jin": ("cjy",),
    "Beijing": ("Beijing_dialect",),
    "Sichuan": ("Sichuan_dialect", "Sichuanese", "四川话", "四川話"),
    **{province: (f"{province}_dialect",) for province in (
        "Anhui", "Dongbei", "Fujian", "Gansu", "Guizhou", "Hebei", "Henan", "Hubei", "Hunan", "Jiangxi", "Ningxia",
        "Shandong", "Shaanxi", "Shanxi", "Tianjin", "Yunnan", "Zhejiang",
    )},
}  # fmt: skip


def resolve_language(
    written: str | None,
    field: str = "OPTIONS.language",
    *,
    allowed: Collection[str] = tuple(CODES),
    hears_dialects: bool = False,
) -> str | None:
    """The English name of a language, however it is written; None for None, "auto" and what is blank.

    `allowed`: the names of what may be asked for. `hears_dialects`: dialects of Chinese count as Chinese.

    Raises:
        InvalidRequest: not one of those; the message names `field` and what is allowed.
    """
    if written is None or key_of(written) in UNKNOWN:
        return None
    name = _named(key_of(written))
    if name in DIALECTS and hears_dialects:
        name = CHINESE
    if name is None or name not in allowed:
        raise InvalidRequest(f"{field} is {cut(written)!r}; allowed: {', '.join([AUTO, *map(_told, allowed)])}")
    return name


def language_code(written: str, field: str) -> str:
    """The code of a language that has to be named, however it is written.

    Raises:
        InvalidRequest: not one of the languages; the message names `field` and what is allowed.
    """
    name = _named(key_of(written))
    if name not in CODES:
        raise InvalidRequest(f"{field} has {cut(written)!r}; allowed: {', '.join(map(_told, CODES))}")
    return CODES[name]


def _named(key: str) -> str | None:
    """The language or dialect that a name, a code or a tag means."""
    if len(key) > MAX_CHARS:
        return None
    tag = LOCALE.sub("", key.replace("_", "-"))
    if key in _by_key():
        return _by_key()[key]
    if TAG.fullmatch(tag):
        return _tagged(tag)
    qualified = QUALIFIED.fullmatch(key)  # "English (en)", as messages name it, or "Portuguese (Brazil)"
    name = _by_key().get(qualified[1]) if qualified else None
    if qualified and name == CHINESE:  # which one is said in the brackets
        return _tagged(f"zh-{qualified[2]}") if TAG.fullmatch(f"zh-{qualified[2]}") else None
    return name


def _tagged(tag: str) -> str | None:
    primary, *subtags = tag.split("-")
    name = _by_key().get(primary)
    for subtag in itertools.takewhile(lambda one: len(one) > 1, subtags):
        if len(subtag) == 3 and subtag.isalpha():  # zh-yue, ar-arz
            name = _extended(name, _by_key().get(subtag))
        elif name == CHINESE and primary in MACRO_CHINESE and subtag in CANTONESE_REGIONS:
            name = CANTONESE
    return name


def _extended(name: str | None, extension: str | None) -> str | None:
    return extension if name == CHINESE or extension == name else None


def autonym(code: str) -> str:
    """A language's name of itself and its English one, as "日本語 (Japanese)"."""
    language = next(one for one in LANGUAGES if one.code == code)
    return language.name if language.own_name == language.name else f"{language.own_name} ({language.name})"


@functools.cache
def _by_key() -> dict[str, str]:
    written = {language.name: (language.code, *language.others) for language in LANGUAGES} | DIALECTS
    own = {key_of(one): name for name, others in written.items() for one in (name, *others)}
    return {key_of(one): NAMES[code] for code, *names in _exonyms() for one in names} | own


def _exonyms() -> list[list[str]]:
    """A language's code, and what others call it."""
    lines = EXONYMS.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def key_of(written: str) -> str:
    """Without case, accents and needless space: people leave accents out, and keyboards make them in several ways."""
    decomposed = unicodedata.normalize("NFKD", " ".join(written[: MAX_CHARS + 1].split()))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def _told(name: str) -> str:
    return f"{name} ({CODES[name]})" if name in CODES else name
