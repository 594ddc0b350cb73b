"""What qwen-tts says by itself, run in its own environment: upstream_tts.py CHECKPOINT JOBS.json OUT.npz

JOBS is a list of {"method": "generate_custom_voice" | …, "arguments": {…}}; OUT holds `codes_0`, … (frames, groups)
and `audio_0`, … (samples).
"""

import json
import sys
from typing import Any

import numpy as np
import torch

from qwen_engine.qwen_tts_import import import_qwen_tts

torch.set_num_threads(1)
checkpoint, jobs_file, out_file = sys.argv[1:]
tts = import_qwen_tts().Qwen3TTSModel.from_pretrained(checkpoint, dtype=torch.float32, device_map="cpu")
decode = tts.model.speech_tokenizer.decode
decoded: list[np.ndarray] = []


def keep_codes(items: list[dict[str, Any]]) -> Any:
    decoded.extend(item["audio_codes"].numpy() for item in items)
    return decode(items)


tts.model.speech_tokenizer.decode = keep_codes
arrays: dict[str, np.ndarray] = {}
with open(jobs_file) as stream:
    jobs = json.load(stream)
for index, job in enumerate(jobs):
    decoded.clear()
    (audio,), _ = getattr(tts, job["method"])(
        **job["arguments"], do_sample=False, subtalker_dosample=False, max_new_tokens=151
    )
    arrays |= {f"codes_{index}": decoded[0], f"audio_{index}": audio}
np.savez(out_file, **arrays)
