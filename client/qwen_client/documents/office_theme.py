"""The theme of Office documents: what programs offer as colours and fonts where a user goes on working on one."""

import re

from qwen_wire.theme import THEMES, font_of

COLOURS = THEMES["light"]
NAME = "qwen-triton"


def themed(theme: bytes, language: str) -> bytes:
    """A template's theme with the colours and fonts of the design."""
    for tag, scheme in (("clrScheme", _colour_scheme()), ("fontScheme", _font_scheme(language))):
        theme = re.sub(rb"<a:%b .*?</a:%b>" % (tag.encode(), tag.encode()), scheme.encode(), theme, flags=re.DOTALL)
    return re.sub(rb'(<a:theme [^>]*name=")[^"]*', rb"\g<1>" + NAME.encode(), theme)


def _colour_scheme() -> str:
    named = {"dk1": COLOURS.text, "lt1": COLOURS.background, "dk2": COLOURS.muted, "lt2": COLOURS.band}
    named |= {f"accent{number}": colour for number, colour in enumerate(COLOURS.palette[:6], 1)}
    named |= {"hlink": COLOURS.palette[0], "folHlink": COLOURS.palette[3]}
    entries = "".join(f'<a:{name}><a:srgbClr val="{colour[1:].upper()}"/></a:{name}>' for name, colour in named.items())
    return f'<a:clrScheme name="{NAME}">{entries}</a:clrScheme>'


def _font_scheme(language: str) -> str:
    faces = "".join(f'<a:{script} typeface="{font_of(language).family}"/>' for script in ("latin", "ea", "cs"))
    kinds = "".join(f"<a:{kind}>{faces}</a:{kind}>" for kind in ("majorFont", "minorFont"))
    return f'<a:fontScheme name="{NAME}">{kinds}</a:fontScheme>'
