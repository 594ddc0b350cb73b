"""The request that costs most of those that are allowed, for every option, tensor, function and chart: see `COSTLY`.

What cannot cost anything is in `FREE`. tests/unit/test_costly_table.py says which option is in neither: whoever adds
one says what it may cost. The limits are those of the demo profile.
"""

from collections.abc import Mapping
from typing import Any

from tests.costly_chains import of_chains
from tests.costly_models import of_models
from tests.costly_parts import SMALL_CHART, SMALL_NODE, TINY_IMAGE, Inputs, as_json, picture, samples, speech, workflow

NORMAL: Mapping[str, tuple[Inputs, Mapping[str, Any]]] = {
    "qwen3_asr": (lambda: {"AUDIO": speech(2.0)}, {}),
    "qwen3_asr_stream": (lambda: {"AUDIO": samples(0.5, 16_000, 1)}, {}),
    "qwen3_aligner": (lambda: {"AUDIO": speech(2.0), "TEXT": b"Good morning."}, {}),
    "qwen3_tts": (lambda: {"TEXT": b"Hello."}, {"max_audio_s": 1.0}),
    "qwen3_chat": (lambda: {"text_input": b"Hello."}, {"max_tokens": 8}),
    "qwen3_chat_uint32": (lambda: {"text_input": b"Hello."}, {"max_tokens": 8}),
    "qwen_image": (lambda: {"PROMPT": b"a ring"}, TINY_IMAGE),
    "qwen3_vl": (lambda: {"IMAGE": picture(64, 64), "TEXT": b""}, {"max_new_tokens": 8}),
    "chart_image": (lambda: {"CHART": as_json(SMALL_CHART)}, {}),
    "voice_chat": (lambda: {"TEXT": b"Hello."}, {"max_tokens": 8}),
    "workflow": (lambda: workflow({"said": SMALL_NODE}), {}),
    "aligned_transcript": (lambda: {"AUDIO": speech(2.0)}, {}),
    "spoken_image": (lambda: {"AUDIO": speech(2.0)}, TINY_IMAGE),
    "meeting_minutes": (lambda: {"AUDIO": (speech(2.0),)}, {"inputs": {"illustrate": False}}),
    "storyboard": (lambda: {"TEXT": b"a red circle"}, {"inputs": {"steps": 2}}),
    "courseware": (lambda: {"TEXT": b"a red circle"}, {"inputs": {"languages": ["en"]}}),
    "product_ad": (lambda: {"TEXT": b"a red circle"}, {"inputs": {"steps": 2, "voices": ["ava"]}}),
    "describe_aloud": (lambda: {"IMAGE": picture(64, 64)}, {}),
}
COSTLY = (*of_models(), *of_chains())
# By the reason. A name counts for all models, or for the one before its dot.
FREE: Mapping[str, frozenset[str]] = {
    "which token is drawn": frozenset(
        {
            "seed",
            "temperature",
            "top_k",
            "top_p",
            "sub_temperature",
            "sub_top_k",
            "sub_top_p",
            "qwen3_tts.repetition_penalty",
        }
    ),
    "one of a few names": frozenset({"voice", "language", "style", "lora", "theme", "task", "action"}),
    "less than what can be asked for in numbers": frozenset({"aspect", "preset", "thinking"}),
    "what another request has opened": frozenset(
        {
            "cancel",
            "token",
            "text_complete",
            "end_session",
            "played_s",
        }
    ),
    "how an answer is cut into responses": frozenset({"stream"}),
    "what is left out of a file": frozenset({"recipe"}),
}
