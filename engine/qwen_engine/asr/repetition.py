"""Repetition repair: text that a looping model repeats dozens of times is reduced to one copy.

The same result as upstream's post-processing (`_detect_and_fix_repetitions` of transformers'
`models/qwen3_asr/processing_qwen3_asr.py`), in linear time: upstream copies the rest of the text at each repair and
recurses, up to Python's limit.
"""

import re

REPEATED_CHAR = re.compile(r"(.)\1{20,}", re.DOTALL)
# Of the patterns that repeat from one position on, the shortest counts. The last 39 characters are too few for upstream
# to look at, which spares twenty equal characters there.
REPEATED_PATTERN = re.compile(r"(?=.{40})(.{1,20}?)\1{19,}", re.DOTALL)


def repair_repetitions(text: str) -> str:
    """`text` with every character that stands more than 20 times in a row, and then every pattern of up to 20
    characters that stands at least 20 times in a row, reduced to one."""
    return REPEATED_PATTERN.sub(r"\1", REPEATED_CHAR.sub(r"\1", text))
