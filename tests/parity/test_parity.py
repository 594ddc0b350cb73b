"""Each modality through Triton equals the direct upstream call on the same checkpoint."""

import numpy as np
import pytest
import soundfile
import torch

from tests.parity.official import CHECKPOINTS, CUSTOM_VOICE_CASES

torch.set_num_threads(1)  # as the demo profile: sums in another order would change a pixel


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


@pytest.mark.parametrize("case", CUSTOM_VOICE_CASES, ids=str)
def test_synthesis_gives_the_same_samples(client, official, case):
    """The codec is deterministic: equal samples mean equal codes."""
    theirs = official[case].audio
    ours = client.tts.synthesize(
        case.text, voice=case.voice, language=case.language, text_feed=case.text_feed, temperature=0.0
    ).samples
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, np.clip(theirs, -1, 32767 / 32768), atol=0.6 / 32768)  # 16 bits


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
