"""`client.asr` against a scripted server: what is sent, and what comes back."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from client_scripts import ENDING
from fake_triton import FakeTriton

from qwen_client import AudioInput, Client, FailedPiece, InvalidRequest, Segment, Timings, Word


def sent_options(triton: FakeTriton) -> dict[str, object]:
    return json.loads(triton.received[-1].inputs["OPTIONS"])


def test_transcription_carries_everything_the_server_told(client: Client, triton: FakeTriton) -> None:
    heard = client.asr.transcribe(b"a recording")

    assert heard.text == "11 bytes"
    assert heard.language == "English"
    assert heard.duration_s == 2.5
    assert heard.segments == (Segment(0.0, 2.5, "11 bytes"),)
    assert heard.finish_reason == "stop"
    assert heard.timings == Timings(queue_s=0.001, first_event_s=0.25, total_s=0.5)
    assert heard.request_id == triton.received[0].request_id != ""


@pytest.mark.parametrize("form", [bytes, str, Path, open, io.BytesIO])
def test_files_go_as_they_are(form: type, client: Client, triton: FakeTriton, tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    path.write_bytes(b"whatever it is")
    forms: dict[object, AudioInput] = {bytes: b"whatever it is", str: str(path), Path: path}
    forms[io.BytesIO] = io.BytesIO(b"whatever it is")
    with path.open("rb") as file:
        forms[open] = file
        client.asr.transcribe(forms[form])

    assert triton.received[0].inputs["AUDIO"] == b"whatever it is"


@pytest.mark.parametrize("shape", [(800,), (800, 2)])
@pytest.mark.parametrize(
    ("dtype", "subtype"),
    [("float32", "FLOAT"), ("float64", "FLOAT"), ("int16", "PCM_16"), ("int32", "PCM_32")],
)
def test_arrays_go_as_wav(dtype: str, subtype: str, shape: tuple[int, ...], client: Client, triton: FakeTriton) -> None:
    scale = 1 if dtype.startswith("float") else np.iinfo(dtype).max
    samples = (np.random.default_rng(0).uniform(-0.9, 0.9, shape) * scale).astype(dtype)

    client.asr.transcribe((samples, 16_000))

    with soundfile.SoundFile(io.BytesIO(triton.received[0].inputs["AUDIO"])) as file:
        assert (file.format, file.subtype, file.samplerate) == ("WAV", subtype, 16_000)
        sent = file.read(dtype=dtype)
    np.testing.assert_allclose(sent, samples, rtol=1e-6)


@pytest.mark.parametrize("samples", [np.zeros(8, "int64"), np.zeros(8, complex), np.zeros((2, 2, 2), "float32")])
def test_arrays_that_are_no_audio_are_refused(samples: np.ndarray, client: Client, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match=r"^audio is \w+( of shape \[2, 2, 2\])?[;,] .*allowed: "):
        client.asr.transcribe((samples, 16_000))

    assert triton.received == []


def test_an_array_without_a_rate_is_refused(client: Client) -> None:
    with pytest.raises(InvalidRequest, match=r"\(array, rate_hz\)"):
        client.asr.transcribe(np.zeros(8))  # type: ignore[arg-type]


def test_defaults_stay_out_of_the_request(client: Client, triton: FakeTriton) -> None:
    client.asr.transcribe(b"", language=None, context="", max_new_tokens=None)

    assert sent_options(triton) == {}


def test_options_are_sent(client: Client, triton: FakeTriton) -> None:
    client.asr.transcribe(b"", language="English", context="Qwen, Triton", max_new_tokens=7)

    assert sent_options(triton) == {"language": "English", "context": "Qwen, Triton", "max_new_tokens": 7}


def test_all_options_are_sent_by_their_names_on_the_wire(client: Client, triton: FakeTriton) -> None:
    client.asr.transcribe(
        b"",
        timestamps="word",
        itn=True,
        vad=False,
        temperature=0.5,
        seed=3,
        max_audio_s=7200.0,
        audio_format="pcm_s16le",
        sample_rate=8_000,
        channels=2,
    )

    assert sent_options(triton) == {
        "timestamps": "word",
        "itn": True,
        "vad": False,
        "temperature": 0.5,
        "seed": 3,
        "max_audio_s": 7200.0,
        "audio_format": "pcm_s16le",
        "sample_rate_hz": 8_000,
        "num_channels": 2,
    }


def test_words_and_the_text_as_spoken(client: Client) -> None:
    plain = client.asr.transcribe(b"abc")
    full = client.asr.transcribe(b"abc", timestamps="word", itn=True)

    assert (plain.words, plain.raw_text, plain.failed) == (None, None, ())
    assert full.words == (Word("3", 0.0, 0.5), Word("bytes", 1.0, 1.5))
    assert full.raw_text == "spoken 3 bytes"


def test_stretches_that_failed_are_told(client: Client, triton: FakeTriton) -> None:
    result = {"language": "English", "duration_s": 90.0, "text": "a b", "segments": [], **ENDING}
    result["failed"] = [{"start_s": 30.0, "end_s": 60.0, "message": "out of memory"}]
    triton.scripts["qwen3_asr"] = lambda _: iter([{"TEXT": b"a b", "RESULT": json.dumps(result).encode()}])

    assert client.asr.transcribe(b"").failed == (FailedPiece(30.0, 60.0, "out of memory"),)


def test_damage_is_told(client: Client, triton: FakeTriton) -> None:
    result = {"language": "English", "duration_s": 9.0, "text": "a", "segments": [], "damage_s": 0.06, **ENDING}
    triton.scripts["qwen3_asr"] = lambda _: iter([{"TEXT": b"a", "RESULT": json.dumps(result).encode()}])

    assert client.asr.transcribe(b"").damage_s == 0.06
    assert client.asr.align(b"", "good").damage_s == 0


def test_fields_a_newer_server_adds_do_no_harm(client: Client, triton: FakeTriton) -> None:
    segment = {"start_s": 0.0, "end_s": 1.0, "text": "a", "num_tokens": 3}
    result = {"language": "English", "duration_s": 1.0, "text": "a", "segments": [segment], "mood": "good", **ENDING}
    triton.scripts["qwen3_asr"] = lambda _: iter([{"TEXT": b"a", "RESULT": json.dumps(result).encode()}])

    assert client.asr.transcribe(b"").segments == (Segment(0.0, 1.0, "a"),)


def test_threads_share_a_client(client: Client) -> None:
    recordings = [b"x" * length for length in range(40)]
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(client.asr.transcribe, recordings))

    assert [one.text for one in heard] == [f"{length} bytes" for length in range(40)]
    assert len({one.request_id for one in heard}) == 40


def test_payloads_above_grpcs_usual_limit(client: Client) -> None:
    assert client.asr.transcribe(bytes(9_000_000)).text == "9000000 bytes"


def test_saves_text_and_json(client: Client, tmp_path: Path) -> None:
    heard = client.asr.transcribe(b"a recording")
    heard.save(tmp_path / "heard.txt")
    heard.save(tmp_path / "heard.json")

    assert (tmp_path / "heard.txt").read_text() == "11 bytes\n"
    saved = json.loads((tmp_path / "heard.json").read_text())
    assert saved["segments"] == [{"start_s": 0.0, "end_s": 2.5, "text": "11 bytes"}]
    assert saved["timings"]["total_s"] == 0.5
    with pytest.raises(InvalidRequest, match=r"known: \.txt, \.json, \.srt, \.vtt"):
        heard.save(tmp_path / "heard.doc")


def test_saves_subtitles_of_the_servers_cues(client: Client, tmp_path: Path) -> None:
    heard = client.asr.transcribe(b"a recording")
    heard.save(tmp_path / "heard.srt")
    heard.save(tmp_path / "heard.VTT")

    assert (tmp_path / "heard.srt").read_text() == "1\n00:00:00,000 --> 00:00:02,500\n11\nbytes\n\n"
    assert (tmp_path / "heard.VTT").read_text() == "WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.500\n11\nbytes\n\n"
    assert heard.as_subtitles("srt") == (tmp_path / "heard.srt").read_text()


def test_without_times_there_are_no_subtitles(client: Client, tmp_path: Path) -> None:
    heard = client.asr.transcribe(b"a recording", timestamps="none")

    with pytest.raises(InvalidRequest, match="timestamps other than 'none'"):
        heard.save(tmp_path / "heard.srt")
    assert list(tmp_path.iterdir()) == []


def test_alignment_of_a_known_text(client: Client, triton: FakeTriton, tmp_path: Path) -> None:
    aligned = client.asr.align(b"abc", "grüße 你好", language="zh", timestamps="char")
    for suffix in ("txt", "srt", "json"):
        aligned.save(tmp_path / f"aligned.{suffix}")

    assert triton.received[0].model == "qwen3_aligner"
    assert triton.received[0].inputs["AUDIO"] == b"abc"
    assert triton.received[0].inputs["TEXT"].decode() == "grüße 你好"
    assert sent_options(triton) == {"language": "zh", "timestamps": "char"}
    assert aligned.words == (Word("grüße", 0.0, 0.5), Word("你好", 1.0, 1.5))
    assert (aligned.language, aligned.duration_s, aligned.request_id) == ("English", 9.0, triton.received[0].request_id)
    assert (tmp_path / "aligned.txt").read_text() == "0.000\t0.500\tgrüße\n1.000\t1.500\t你好\n"
    assert "00:00:01,000 --> 00:00:01,500\n你好\n" in (tmp_path / "aligned.srt").read_text()
    assert json.loads((tmp_path / "aligned.json").read_text())["words"][0]["text"] == "grüße"


def test_transcript_and_alignment_in_one_call(client: Client, triton: FakeTriton) -> None:
    aligned = client.chains.aligned_transcript(b"abc", language="English", context="Qwen")

    assert (triton.received[0].model, aligned.transcription.text) == ("aligned_transcript", "3 bytes")
    assert aligned.alignment.words == (Word("3", 0.0, 0.5), Word("bytes", 1.0, 1.5))
    assert json.loads(triton.received[0].inputs["ASR_OPTIONS"]) == {"language": "English", "context": "Qwen"}
    assert json.loads(triton.received[0].inputs["ALIGN_OPTIONS"]) == {"language": "English"}


def test_notebooks_show_it_escaped(client: Client, triton: FakeTriton) -> None:
    result = {"language": None, "duration_s": 1.0, "text": "<b>&", "segments": [], **ENDING}
    triton.scripts["qwen3_asr"] = lambda _: iter([{"TEXT": b"<b>&", "RESULT": json.dumps(result).encode()}])

    shown = client.asr.transcribe(b"")._repr_html_()

    assert "&lt;b&gt;&amp;" in shown
    assert "no speech" in shown
