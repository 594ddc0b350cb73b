"""Over 2,000 seeds, the first codes are distributed as upstream's."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from qwen_engine.sampling import Uniforms
from qwen_engine.tts.checkpoint import TtsCheckpoint
from qwen_engine.tts.request import speak_request
from qwen_engine.tts.settings import TtsSettings
from qwen_wire.options import TtsOptions
from tests.parity.official import CHECKPOINTS

TEXT, SPEAKER = "Good morning everyone.", "ava"
NUM_SEEDS = 2000
MIN_EXPECTED = 10  # rarer codes are counted together


def our_first_codes() -> np.ndarray:
    torch.set_num_threads(1)
    settings = TtsSettings(checkpoint=str(CHECKPOINTS / "tts"), max_positions=256, max_batch=1)
    checkpoint = TtsCheckpoint(Path(settings.checkpoint), settings)
    request = speak_request(TEXT, TtsOptions(voice=SPEAKER, language="english"), settings, None)
    talker, config = checkpoint.talker, checkpoint.config
    with torch.inference_mode():
        prompt = checkpoint.prompt(request, checkpoint.speaker(SPEAKER), TEXT)
        sampling = (request.sampling.over(config.sampling), request.sub_sampling.over(config.sub_sampling))
        samplers = talker.samplers([sampling])
        first = []
        for seed in range(NUM_SEEDS):
            talker.prefill([prompt.start], 0)
            uniforms = torch.from_numpy(Uniforms(seed, config.num_groups).next())[None]
            first.append(int(talker.draw(samplers, uniforms, torch.tensor([True]))[0, 0]))
    return np.array(first)


def upstream_first_codes(folder: Path) -> np.ndarray:
    python = Path(f"{sys.prefix}-tts") / "bin" / "python"
    script, out_file = Path(__file__).with_name("upstream_first_codes.py"), folder / "codes.npy"
    command = [python, script, CHECKPOINTS / "tts", TEXT, SPEAKER, str(NUM_SEEDS), out_file]
    subprocess.run(command, check=True, timeout=900, capture_output=True)
    return np.load(out_file)


def test_first_codes_are_distributed_as_upstream_s(tmp_path):
    ours, theirs = our_first_codes(), upstream_first_codes(tmp_path)
    assert len(ours) == len(theirs) == NUM_SEEDS
    counts = np.stack([np.bincount(codes, minlength=4096) for codes in (ours, theirs)])
    common = counts.sum(0) >= 2 * MIN_EXPECTED
    table = np.column_stack([counts[:, common], counts[:, ~common].sum(1)]).astype(float)
    table = table[:, table.sum(0) > 0]
    expected = table.sum(0) / 2
    chi_squared = ((table - expected) ** 2 / expected).sum()
    degrees = table.shape[1] - 1
    assert degrees >= 1
    assert chi_squared < degrees + 4 * np.sqrt(2 * degrees)  # four deviations of a chi-squared variable
