"""Run by test_parity.py in the environment of qwen3_tts: what qwen-tts says by itself, as a .npy of samples."""

import sys

import numpy as np
import torch

from qwen_engine.qwen_tts_import import import_qwen_tts

checkpoint, text, speaker, out = sys.argv[1:]
tts = import_qwen_tts().Qwen3TTSModel.from_pretrained(checkpoint, dtype=torch.float32, device_map="cpu")
waves, _ = tts.generate_custom_voice(
    text=text, speaker=speaker, language="auto", do_sample=False, subtalker_dosample=False, max_new_tokens=150
)
np.save(out, waves[0])
