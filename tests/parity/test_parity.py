"""Each modality through Triton equals the direct upstream call on the same checkpoint."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

torch.set_num_threads(1)  # as the demo profile: sums in another order would change a pixel

HOME = Path(__file__).resolve().parents[2]
CHECKPOINTS = HOME / "demo" / "checkpoints"


@pytest.mark.parametrize("name", ["request", "message"])
def test_recognition_gives_the_same_text(client, audio, name):
    from transformers import AutoProcessor, Qwen3ASRForConditionalGeneration

    processor = AutoProcessor.from_pretrained(CHECKPOINTS / "asr")
    model = Qwen3ASRForConditionalGeneration.from_pretrained(CHECKPOINTS / "asr", dtype=torch.float32).eval()
    samples, _ = soundfile.read(audio / f"{name}.wav", dtype="float32")
    inputs = processor.apply_transcription_request(audio=[samples])
    with torch.inference_mode():
        output = model.generate(**inputs, max_new_tokens=100, do_sample=False)
    answer = processor.decode(output[0, inputs["input_ids"].shape[1] :], return_format="parsed")
    heard = client.asr.transcribe(audio / f"{name}.wav")
    assert (heard.text, heard.language) == (answer["transcription"], answer["language"])


@pytest.mark.parametrize("text", ["Hello everyone.", "Send the report to Anna on Friday."])
def test_synthesis_gives_the_same_samples(client, tmp_path, text):
    """The codec is deterministic: equal samples mean equal codes."""
    script = Path(__file__).with_name("upstream_tts.py")
    python = Path(f"{sys.prefix}-tts") / "bin" / "python"
    speaker = "ava"
    command = [python, script, CHECKPOINTS / "tts", text, speaker, tmp_path / "wave.npy"]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    upstream = np.load(tmp_path / "wave.npy")
    ours = client.tts.synthesize(text, voice=speaker, temperature=0.0).samples
    assert len(ours) == len(upstream)
    np.testing.assert_allclose(ours, np.clip(upstream, -1, 32767 / 32768), atol=0.51 / 32768)  # 16 bits


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_drawing_gives_the_same_pixels(client, guidance):
    from diffusers import QwenImagePipeline

    prompt = "A large black square on a red background."
    pipeline = QwenImagePipeline.from_pretrained(CHECKPOINTS / "image", dtype=torch.float32)
    image = pipeline(
        prompt=prompt,
        negative_prompt=" " if guidance > 1 else None,
        true_cfg_scale=guidance,
        width=64,
        height=64,
        num_inference_steps=6,
        generator=torch.Generator("cpu").manual_seed(11),
    ).images[0]
    picture = client.image.generate(prompt, size=64, steps=6, seed=11, true_cfg_scale=guidance)
    np.testing.assert_array_equal(np.asarray(picture.image), np.asarray(image))
