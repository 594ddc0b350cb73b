"""The configuration of a published TTS checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qwen_engine.decoder import DecoderConfig
from qwen_engine.sampling import Sampling
from qwen_wire.languages import AUTO, resolve_language

Kind = Literal["custom_voice", "voice_design", "base"]
# What upstream's classes take for keys that a file leaves out: qwen-tts 0.1.1,
# core/models/configuration_qwen3_tts.py and inference/qwen3_tts_model.py (`_merge_generate_kwargs`).
STACK_DEFAULTS = {"hidden_size": 1024, "num_attention_heads": 16, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}
TALKER_DEFAULTS = {
    **STACK_DEFAULTS,
    "num_hidden_layers": 20,
    "num_key_value_heads": 2,
    "num_code_groups": 32,
    "vocab_size": 3072,
    "codec_pad_id": 4196,
    "codec_bos_id": 4197,
    "codec_eos_token_id": 4198,
    "codec_think_id": 4202,
    "codec_nothink_id": 4203,
    "codec_think_bos_id": 4204,
    "codec_think_eos_id": 4205,
}
PREDICTOR_DEFAULTS = {**STACK_DEFAULTS, "num_hidden_layers": 5, "num_key_value_heads": 8, "head_dim": 128}
TEXT_DEFAULTS = {"tts_pad_token_id": 151671, "tts_bos_token_id": 151672, "tts_eos_token_id": 151673}
GENERATION_DEFAULTS = {
    "do_sample": True,
    "temperature": 0.9,
    "top_k": 50,
    "top_p": 1.0,
    "repetition_penalty": 1.05,
    "subtalker_dosample": True,
    "subtalker_temperature": 0.9,
    "subtalker_top_k": 50,
    "subtalker_top_p": 1.0,
}
NUM_RESERVED_TOKENS = 1024  # the last ids of the talker's vocabulary are controls: never drawn, but for the end


@dataclass(frozen=True)
class ControlTokens:
    """Ids of the codec vocabulary that frame the prompt."""

    pad: int
    bos: int
    eos: int
    think: int
    nothink: int
    think_bos: int
    think_eos: int


@dataclass(frozen=True)
class TextTokens:
    """Ids of the text vocabulary that frame the text."""

    pad: int
    bos: int
    eos: int


@dataclass(frozen=True)
class TtsConfig:
    """config.json and generation_config.json of a checkpoint; names are lower case.

    `generate` of qwen-tts, core/models/modeling_qwen3_tts.py, compares them so, too.
    """

    kind: Kind
    takes_instructions: bool
    talker: DecoderConfig
    predictor: DecoderConfig
    num_groups: int
    vocab_size: int
    control: ControlTokens
    text: TextTokens
    language_ids: Mapping[str, int]
    speaker_ids: Mapping[str, int]
    dialects: Mapping[str, str]
    sampling: Sampling
    sub_sampling: Sampling
    speaker_encoder: Mapping[str, Any]

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that a request may name; a dialect comes with its speaker."""
        return tuple(name for name in self.language_ids if "dialect" not in name)

    def language_key(self, written: str | None) -> str:
        """The key in `language_ids` of a language, however it is written; "auto" for none.

        Raises:
            InvalidRequest: the checkpoint does not speak it; the message names those that it does.
        """
        if written is not None and written.strip().lower() in self.languages:  # even if unknown elsewhere
            return written.strip().lower()
        name = resolve_language(written, allowed=[name.title() for name in self.languages])
        return name.lower() if name else AUTO

    @classmethod
    def load(cls, folder: Path) -> "TtsConfig":
        config = TEXT_DEFAULTS | json.loads((folder / "config.json").read_bytes())
        generation = GENERATION_DEFAULTS | json.loads((folder / "generation_config.json").read_bytes())
        talker = TALKER_DEFAULTS | (config.get("talker_config") or {})
        predictor = PREDICTOR_DEFAULTS | (talker.get("code_predictor_config") or {})
        return cls(
            kind=config["tts_model_type"],
            takes_instructions=_takes_instructions(config["tts_model_type"], config.get("tts_model_size")),
            talker=DecoderConfig.from_json(talker),
            predictor=DecoderConfig.from_json(predictor),
            num_groups=talker["num_code_groups"],
            vocab_size=talker["vocab_size"],
            control=ControlTokens(
                pad=talker["codec_pad_id"],
                bos=talker["codec_bos_id"],
                eos=talker["codec_eos_token_id"],
                think=talker["codec_think_id"],
                nothink=talker["codec_nothink_id"],
                think_bos=talker["codec_think_bos_id"],
                think_eos=talker["codec_think_eos_id"],
            ),
            text=TextTokens(config["tts_pad_token_id"], config["tts_bos_token_id"], config["tts_eos_token_id"]),
            language_ids={name.lower(): token for name, token in (talker.get("codec_language_id") or {}).items()},
            speaker_ids={name.lower(): token for name, token in (talker.get("spk_id") or {}).items()},
            dialects={
                name.lower(): dialect for name, dialect in (talker.get("spk_is_dialect") or {}).items() if dialect
            },
            sampling=_sampling(generation, "", generation["repetition_penalty"]),
            sub_sampling=_sampling(generation, "subtalker_", 1.0),
            speaker_encoder=config.get("speaker_encoder_config") or {},
        )


def _takes_instructions(kind: Kind, size: str | None) -> bool:
    """The small custom-voice model was not trained on them, and clones take none.

    As `generate_custom_voice` of qwen-tts, inference/qwen3_tts_model.py.
    """
    return kind == "voice_design" or (kind == "custom_voice" and size != "0b6")


def _sampling(generation: Mapping[str, Any], prefix: str, penalty: float) -> Sampling:
    sampled = generation["subtalker_dosample" if prefix else "do_sample"]
    return Sampling(
        temperature=generation[f"{prefix}temperature"] if sampled else 0.0,
        top_k=generation[f"{prefix}top_k"],
        top_p=generation[f"{prefix}top_p"],
        repetition_penalty=penalty,
    )
