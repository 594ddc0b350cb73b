"""The platform's own API, /api/v1, in front of the scripted server."""

import base64
import io
import json

import httpx2 as httpx
import numpy as np
import pytest
import soundfile
from client_scripts import SAMPLE_RATE_HZ
from fake_triton import FakeTriton

WAV = b"RIFF and so on"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_recording_in_base64_in_a_data_uri_or_in_a_form(http: httpx.Client) -> None:
    answers = [
        http.post("/api/v1/asr/transcribe", json={"audio_data": encoded(WAV)}),
        http.post("/api/v1/asr/transcribe", json={"audio_data": f"data:audio/wav;base64,{encoded(WAV)}"}),
        http.post("/api/v1/asr/transcribe", files={"file": ("a.wav", WAV)}, data={"language": "en"}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["processing_time"] > 0
        del told["processing_time"]
        assert told == {
            "text": f"{len(WAV)} bytes",
            "language": "English",
            "timestamps": [],
            "segments": [{"text": f"{len(WAV)} bytes", "start": 0.0, "end": 2.5}],
            "duration": 2.5,
        }


def test_options_of_recognition_reach_the_model(http: httpx.Client, triton: FakeTriton) -> None:
    options = {"enable_timestamps": True, "enable_itn": True, "max_duration": 60}
    body = {"audio_data": encoded(WAV), "language": "zh", "context": "Qwen", "options": options}
    told = http.post("/api/v1/asr/transcribe", json=body).json()
    assert [word["text"] for word in told["timestamps"]] == told["text"].split()
    form = {"language": "zh", "context": "Qwen", "options": json.dumps(options)}
    assert http.post("/api/v1/asr/transcribe", files={"file": WAV}, data=form).status_code == 200
    for request in triton.received:
        wanted = {"language": "zh", "context": "Qwen", "timestamps": "word", "itn": True, "max_audio_s": 60.0}
        assert json.loads(request.inputs["OPTIONS"]) == wanted


def test_speech_is_a_file_in_base64(http: httpx.Client) -> None:
    told = http.post("/api/v1/tts/synthesize", json={"text": "Good morning.", "seed": 1}).json()
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(told["audio_data"])))
    assert (told["sample_rate"], rate_hz) == (SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
    assert told["duration"] == pytest.approx(len(samples) / rate_hz, abs=0.001)
    assert told["synthesis_time"] > 0


@pytest.mark.parametrize("sound_format", ["wav", "mp3", "opus", "aac", "flac", "pcm"])
def test_speech_streams_in_every_format(sound_format: str, http: httpx.Client) -> None:
    body = {"text": "Good morning, everyone, and good evening.", "seed": 1, "format": sound_format}
    whole = base64.b64decode(http.post("/api/v1/tts/synthesize", json=body).json()["audio_data"])
    with http.stream("POST", "/api/v1/tts/synthesize", json={**body, "streaming": True}) as answer:
        assert answer.headers["content-type"].startswith("audio/")
        assert answer.headers["x-accel-buffering"] == "no"
        streamed = b"".join(answer.iter_bytes())
    head = 44 if sound_format == "wav" else 0  # which says the length, or that it is unknown
    assert streamed[head:] == whole[head:]
    assert decoded_s(streamed, sound_format) == pytest.approx(decoded_s(whole, sound_format))


def decoded_s(data: bytes, sound_format: str) -> float:
    import av

    if sound_format == "pcm":
        return len(data) / 2 / SAMPLE_RATE_HZ
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_speech_as_events(http: httpx.Client) -> None:
    body = {"text": "Good morning.", "streaming": True, "format": "pcm", "seed": 1}
    headers = {"accept": "text/event-stream"}
    with http.stream("POST", "/api/v1/tts/synthesize", json=body, headers=headers) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert {one["type"] for one in events[:-1]} == {"audio"}
    assert events[-1] == {"type": "done"}
    plain = http.post("/api/v1/tts/synthesize", json={**body, "streaming": False}).json()
    assert b"".join(base64.b64decode(one["audio"]) for one in events[:-1]) == base64.b64decode(plain["audio_data"])


def test_speed_is_changed_and_told_to_no_model(http: httpx.Client) -> None:
    def duration_s(**voice: object) -> float:
        body = {"text": "Good morning, everyone, and good evening.", "seed": 1, "voice_config": voice}
        return float(http.post("/api/v1/tts/synthesize", json=body).json()["duration"])

    assert duration_s(speed=2.0) == pytest.approx(duration_s() / 2, rel=0.1)


def test_a_picture(http: httpx.Client, triton: FakeTriton) -> None:
    body = {
        "prompt": "a red ring",
        "style": "ink",
        "size": {"width": 64, "height": 48},
        "options": {"num_steps": 3, "guidance_scale": 2.0, "seed": 5, "negative_prompt": "blue", "n": 2},
    }
    told = http.post("/api/v1/image/generate", json=body).json()
    assert (told["size"], told["seed"], len(told["images"])) == ({"width": 64, "height": 48}, 5, 2)
    assert base64.b64decode(told["image_data"]).startswith(b"\x89PNG")
    assert told["image_data"] == told["images"][0]["image_data"]
    wanted = {"style": "ink", "width": 64, "height": 48, "steps": 3, "true_cfg_scale": 2.0, "seed": 5}
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {**wanted, "negative_prompt": "blue", "n": 2}


def test_a_picture_is_edited(http: httpx.Client, triton: FakeTriton) -> None:
    png = b"\x89PNG"
    by_form = http.post("/api/v1/image/edit", files={"file": png, "mask": b"mask"}, data={"prompt": "blue"})
    by_json = http.post("/api/v1/image/edit", json={"image_data": encoded(png), "prompt": "blue"})
    assert (by_form.status_code, by_json.status_code) == (200, 200)
    painted, edited = triton.received
    assert (painted.inputs["IMAGE"], painted.inputs["MASK"]) == ((png,), b"mask")
    assert edited.inputs["IMAGE"] == (png,)
    assert json.loads(painted.inputs["OPTIONS"])["task"] == "inpaint"
    assert json.loads(edited.inputs["OPTIONS"])["task"] == "edit"


def test_openapi_describes_every_endpoint(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for path in ("/api/v1/asr/transcribe", "/api/v1/tts/synthesize", "/api/v1/image/generate", "/v1/audio/speech"):
        content = described["paths"][path]["post"]["requestBody"]["content"]
        assert all(one["schema"]["properties"] for one in content.values())
    assert "$defs" not in json.dumps(described)
    assert http.get("/docs").status_code == 200


def test_samples_survive_pcm() -> None:
    from qwen_gateway.sound_encoder import pcm16

    assert pcm16(np.array([-2.0, -1.0, 0.0, 0.99999, 2.0], np.float32)).tolist() == [-32768, -32768, 0, 32767, 32767]
