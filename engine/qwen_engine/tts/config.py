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
        config = json.loads((folder / "config.json").read_bytes())
        generation = json.loads((folder / "generation_config.json").read_bytes())
        talker = config["talker_config"]
        return cls(
            kind=config["tts_model_type"],
            takes_instructions=_takes_instructions(config["tts_model_type"], config["tts_model_size"]),
            talker=DecoderConfig.from_json(talker),
            predictor=DecoderConfig.from_json(talker["code_predictor_config"]),
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
            language_ids={name.lower(): token for name, token in talker["codec_language_id"].items()},
            speaker_ids={name.lower(): token for name, token in (talker.get("spk_id") or {}).items()},
            dialects={
                name.lower(): dialect for name, dialect in (talker.get("spk_is_dialect") or {}).items() if dialect
            },
            sampling=_sampling(generation, "", generation["repetition_penalty"]),
            sub_sampling=_sampling(generation, "subtalker_", 1.0),
            speaker_encoder=config.get("speaker_encoder_config") or {},
        )


def _takes_instructions(kind: Kind, size: str) -> bool:
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
