"""Voice cloning: the embedding and codes of a reference recording."""

import hashlib
import json
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from transformers import MimiConfig, MimiModel

from qwen_engine.tts.config import TtsConfig
from qwen_engine.tts.request import ClonedVoice, Reference
from qwen_engine.tts.speaker import SAMPLE_RATE_HZ, SpeakerEncoder
from qwen_engine.weights import Weights

SAMPLES_PER_FRAME = 1920
TRAILING_SILENCE_S = 0.5  # separates the reference's last sound from the first generated one
MAX_CACHED = 64
DEFAULT_NUM_GROUPS = 16  # qwen-tts, core/tokenizer_12hz/configuration_qwen3_tts_tokenizer_v2.py
# Names of the published file, and in transformers' class.
MODULE_NAMES = (
    ("encoder.layers.", "encoder.encoder_seanet.layers."),
    ("encoder_transformer.", "encoder.encoder_transformer."),
    ("downsample.", "encoder.downsample."),
)


class SpeechEncoder:
    """The speech tokenizer's encoder: samples to codes. Its networks are Mimi's, in transformers."""

    def __init__(self, folder: Path, *, dtype: torch.dtype, device: str) -> None:
        config = json.loads((folder / "config.json").read_bytes())
        self._num_groups = config.get("encoder_valid_num_quantizers", DEFAULT_NUM_GROUPS)
        model = MimiModel(MimiConfig(**(config.get("encoder_config") or {})))
        model.decoder = None
        weights = Weights(folder, dtype=dtype, device=device)
        names = [name.removeprefix("encoder.") for name in weights.names() if name.startswith("encoder.")]
        model.load_state_dict({_module_name(name): weights.take(f"encoder.{name}") for name in names})
        self._model = model.to(device, dtype).eval()
        self._dtype, self._device = dtype, device

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> torch.Tensor:
        """`samples` (n,) float32 at 24 kHz -> codes (frames, groups); the last frame may be partial."""
        values = torch.from_numpy(samples).to(self._device, self._dtype)[None, None]
        codes = self._model.encode(values).audio_codes[0, : self._num_groups]
        return codes[:, : -(-len(samples) // SAMPLES_PER_FRAME)].T


def _module_name(name: str) -> str:
    for published, ours in MODULE_NAMES:
        if name.startswith(published):
            return ours + name.removeprefix(published)
    return name


class Cloner:
    """Clones references one at a time, and caches the last ones. Any thread."""

    def __init__(self, folder: Path, config: TtsConfig, weights: Weights, *, dtype: torch.dtype, device: str) -> None:
        self._speaker = SpeakerEncoder(config.speaker_encoder, weights.below("speaker_encoder."))
        self._speech = SpeechEncoder(folder / "speech_tokenizer", dtype=dtype, device=device)
        self._lock = threading.Lock()
        self._cached: OrderedDict[tuple[str, str, str], ClonedVoice] = OrderedDict()

    @torch.inference_mode()
    def clone(self, reference: Reference, tenant: str) -> ClonedVoice:
        """The voice of `reference`; in context where its text is known, else by the speaker's vector alone.

        The cache is per `tenant`: a fast answer would reveal another tenant's reference.
        """
        key = (tenant, hashlib.sha256(reference.samples.tobytes()).hexdigest(), reference.text)
        with self._lock:
            if key not in self._cached:
                self._cached[key] = self._clone(reference)
            self._cached.move_to_end(key)
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
            return self._cached[key]

    def _clone(self, reference: Reference) -> ClonedVoice:
        if not reference.text:
            return ClonedVoice(self._speaker(reference.samples))
        silence = np.zeros(int(TRAILING_SILENCE_S * SAMPLE_RATE_HZ), np.float32)
        samples = np.concatenate((reference.samples, silence))
        return ClonedVoice(self._speaker(samples), reference.text, self._speech(samples))
