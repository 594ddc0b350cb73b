"""What a user comes for, through the SDK and a real Triton."""

import io
import json
from base64 import b64decode, encodebytes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest
import soundfile

from qwen_client import Client, InvalidRequest
from tests.plain_http import post

TEXT = "Good morning, the meeting starts at nine o'clock tomorrow."
UNSEEN = [
    "We agreed on the date and the price.",
    "Send the price to Frank today.",
    "A large orange cross.",
    "The task is done by Anna on Tuesday.",
    "Show me a large green square on a red background.",
    "The meeting starts at one o'clock today.",
]
PROMPT = "A small yellow star on a blue background."


def test_a_sentence_is_spoken_while_the_text_is_still_being_written(client):
    with client.tts.stream_text() as speech:
        speech.add("Hello everyone.")
        assert next(speech).samples.size
        speech.complete()
        for _ in speech:
            pass
        with pytest.raises(InvalidRequest, match="the speech is over"):
            speech.add("More.")


def test_speech_becomes_text(client, audio):
    heard = client.asr.transcribe(audio / "message.wav")
    assert heard.text == (audio / "message.txt").read_text().strip()
    assert heard.language == "English"
    assert heard.finish_reason == "stop"
    samples, rate_hz = soundfile.read(audio / "message.wav")
    assert abs(heard.duration_s - len(samples) / rate_hz) < 0.01


def test_silence_becomes_empty_text(client):
    for duration_s in (0.1, 0.5, 3.0):
        heard = client.asr.transcribe((np.zeros(int(16000 * duration_s), np.float32), 16000))
        assert (heard.text, heard.language, list(heard.segments)) == ("", None, [])


def test_requests_that_meet_in_a_batch_get_their_own_answers(client, audio):
    names = ["request", "message"] * 6
    with ThreadPoolExecutor(len(names)) as pool:
        heard = list(pool.map(lambda name: client.asr.transcribe(audio / f"{name}.wav").text, names))
    assert heard == [(audio / f"{name}.txt").read_text().strip() for name in names]


def words(text: str) -> list[str]:
    return text.lower().replace(",", "").rstrip(".").split()


def test_text_becomes_speech_that_is_heard_again(client):
    """Speech, not noise: how well the checkpoint speaks is measured by demo.training.evaluate_tts (see the README)."""
    num_words = num_understood = 0
    for text in UNSEEN:
        speech = client.tts.synthesize(text)
        assert speech.sample_rate == 24000
        assert 0.8 < speech.duration_s < 8.0
        heard = words(client.asr.transcribe((speech.samples, speech.sample_rate)).text)
        num_words += len(words(text))
        num_understood += sum(word in heard for word in words(text))
    assert num_understood >= 0.8 * num_words


def test_speech_comes_in_several_chunks_that_make_the_whole(client):
    with client.tts.stream(TEXT) as stream:
        chunks = list(stream)
    assert len(chunks) >= 3
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert chunks[0].frames == 1
    assert stream.finish_reason == "stop"
    assert 0 < stream.timings.first_event_s <= stream.timings.total_s
    whole = client.tts.synthesize(TEXT)
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), whole.samples)


def test_speakers_and_seeds_differ_and_repeat(client):
    def said(**options: object) -> np.ndarray:
        return client.tts.synthesize("Hello everyone.", **options).samples

    np.testing.assert_array_equal(said(seed=1, temperature=0.9), said(seed=1, temperature=0.9))
    assert said(seed=1, temperature=0.9).tobytes() != said(seed=2, temperature=0.9).tobytes()
    first, second = (client.tts.synthesize("Hello everyone.", temperature=0.9) for _ in range(2))
    assert first.seed != second.seed
    np.testing.assert_array_equal(said(seed=first.seed, temperature=0.9), first.samples)
    assert client.tts.synthesize("Hello everyone.").seed is None  # greedy


def test_text_becomes_a_picture_with_progress_at_every_step(client):
    progress = []
    picture = client.image.generate(PROMPT, steps=5, seed=3, on_progress=progress.append)
    assert [(event.step, event.steps) for event in progress] == [(step, 5) for step in range(1, 6)]
    assert picture.image.size == (64, 64)
    assert picture.prompt == PROMPT
    again = client.image.generate(PROMPT, steps=5, seed=3)
    other = client.image.generate(PROMPT, steps=5, seed=4)
    assert picture.png == again.png
    assert picture.png != other.png


def test_a_picture_of_another_size(client):
    assert client.image.generate(PROMPT, size=(96, 64), steps=2).image.size == (96, 64)


def test_a_spoken_request_becomes_a_picture_with_progress(client, audio):
    progress = []
    drawn = client.chains.spoken_image(audio / "request.wav", seed=0, on_progress=progress.append)
    assert drawn.heard == (audio / "request.txt").read_text().strip()
    assert drawn.picture.image.size == (64, 64)
    assert len(progress) == progress[-1].steps
    direct = client.image.generate(drawn.heard, seed=0)
    assert drawn.picture.png == direct.png


def test_health_tells_every_model(server, client):
    health = client.health()
    assert health.live
    assert health.ready
    foreign = {"qwen3_chat_uint32"}  # for other people's clients: the SDK has no calls for it
    assert health.models == dict.fromkeys(set(server.models) - foreign, True)


def test_leaving_a_stream_early_harms_nobody(server):
    with Client(server.address.grpc) as client:
        for _ in range(3):
            with client.tts.stream(TEXT) as stream:
                next(iter(stream))
        assert client.tts.synthesize("Hello everyone.").duration_s > 0


def test_recognition_over_plain_http(server, audio):
    """Nothing but JSON: what curl can send."""
    tensors = {
        "AUDIO": encodebytes((audio / "message.wav").read_bytes()).decode(),
        "OPTIONS": json.dumps({"input_encoding": "base64"}),
    }
    inputs = [{"name": name, "shape": [1, 1], "datatype": "BYTES", "data": [value]} for name, value in tensors.items()]
    answer = post(server, "qwen3_asr/infer", {"inputs": inputs})[0]
    outputs = {output["name"]: output["data"][0] for output in answer["outputs"]}
    assert outputs["TEXT"] == (audio / "message.txt").read_text().strip()
    assert json.loads(outputs["RESULT"])["language"] == "English"
    assert post(server, "qwen3_asr/generate", tensors)[0]["TEXT"] == outputs["TEXT"]


def test_synthesis_over_plain_http(server):
    body = {"TEXT": "Hello everyone.", "OPTIONS": json.dumps({"output_encoding": "base64"})}
    events = post(server, "qwen3_tts/generate_stream", body)
    told = [json.loads(event["EVENT"]) for event in events]
    assert [event["index"] for event in told] == list(range(len(events)))
    assert [event["type"] for event in told] == ["audio"] * (len(events) - 1) + ["end"]
    samples = b"".join(b64decode(event["AUDIO"]) for event in events)
    assert len(samples) == 2 * 1920 * told[-2]["frames"]


def test_drawing_over_plain_http(server):
    body = {"PROMPT": PROMPT, "OPTIONS": json.dumps({"output_encoding": "base64", "steps": 3})}
    events = post(server, "qwen_image/generate_stream", body)
    told = [json.loads(event["EVENT"])["type"] for event in events]
    assert [name for name in told if name != "queued"] == ["progress"] * 3 + ["image", "end"]
    assert PIL.Image.open(io.BytesIO(b64decode(events[-2]["IMAGE"]))).size == (64, 64)
    assert events[-2]["TEXT"] == PROMPT


def test_a_limit_on_speech_is_kept_and_told(client):
    speech = client.tts.synthesize(TEXT, max_audio_s=0.4)
    assert speech.finish_reason == "length"
    assert len(speech.samples) == 5 * 1920
