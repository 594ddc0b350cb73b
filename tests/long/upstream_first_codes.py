"""First codes that qwen-tts samples: upstream_first_codes.py CHECKPOINT TEXT SPEAKER COUNT OUT.npy"""

import sys

import numpy as np
import torch

from qwen_engine.qwen_tts_import import import_qwen_tts

BATCH = 100

torch.set_num_threads(1)
torch.manual_seed(1)
checkpoint, text, speaker, count, out_file = sys.argv[1:]
tts = import_qwen_tts().Qwen3TTSModel.from_pretrained(checkpoint, dtype=torch.float32, device_map="cpu")
talker = tts.model.talker
drawn: list[np.ndarray] = []
forward = talker.code_predictor.generate


def keep_first(*args, **kwargs):
    """The first code of every row is what the code predictor is asked to go on from: its second embedding."""
    embedded = kwargs["inputs_embeds"][:, 1]
    distances = torch.cdist(embedded, talker.get_input_embeddings().weight)
    drawn.append(distances.argmin(-1).numpy())
    return forward(*args, **kwargs)


talker.code_predictor.generate = keep_first
for _ in range(int(count) // BATCH):
    before = len(drawn)
    tts.generate_custom_voice([text] * BATCH, speaker=speaker, language="english", max_new_tokens=3)
    del drawn[before + 1 :]  # of the first frame only
np.save(out_file, np.concatenate(drawn))
