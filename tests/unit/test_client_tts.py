"""`client.tts` against a scripted server: whole speeches and streams."""

import asyncio
import base64
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from client_scripts import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, TextSpeaker, audio_event, event, frame
from fake_triton import FakeTriton, Payloads, Refusal

from qwen_client import AsyncClient, Cancelled, Client, InvalidRequest, ServerError, Speech, Timings


def float_frames(num_frames: int) -> np.ndarray:
    return np.concatenate([frame(index) for index in range(num_frames)]) / np.float32(32_768)


def until_cancelled(triton: FakeTriton) -> None:
    """Have the server speak two frames, then fall silent until the call is cancelled."""

    def script(_: Payloads) -> Iterator[Payloads]:
        yield audio_event(0)
        yield audio_event(1)
        triton.cancelled.wait()

    triton.scripts["qwen3_tts"] = script


def test_speech_is_all_the_chunks(client: Client, triton: FakeTriton) -> None:
    speech = client.tts.synthesize("good morning everyone")

    assert speech.samples.dtype == np.float32
    np.testing.assert_array_equal(speech.samples, float_frames(3))
    assert speech.sample_rate == SAMPLE_RATE_HZ
    assert speech.duration_s == pytest.approx(0.24)
    assert speech.finish_reason == "stop"
    assert speech.timings == Timings(queue_s=0.001, first_event_s=0.25, total_s=0.5)
    assert speech.request_id == triton.received[0].request_id != ""


def test_options_are_sent_where_they_differ_from_the_defaults(client: Client, triton: FakeTriton) -> None:
    client.tts.synthesize("hello", language=None, seed=None)
    client.tts.synthesize("hello", voice="ryan", language="english", seed=4, temperature=0.0, top_k=1, max_audio_s=2.0)

    plain, full = (json.loads(request.inputs["OPTIONS"]) for request in triton.received)
    assert plain == {}
    assert full == {
        "voice": "ryan",
        "language": "english",
        "seed": 4,
        "temperature": 0.0,
        "top_k": 1,
        "max_audio_s": 2.0,
    }


def test_text_goes_as_utf8(client: Client, triton: FakeTriton) -> None:
    client.tts.synthesize("Grüße 你好")

    assert triton.received[0].inputs["TEXT"].decode() == "Grüße 你好"


def test_stream_gives_chunks_then_the_ending(client: Client, triton: FakeTriton) -> None:
    with client.tts.stream("good morning") as chunks:
        assert (chunks.finish_reason, chunks.timings) == (None, None)
        received = list(chunks)

    assert [(chunk.index, chunk.frames, chunk.sample_rate) for chunk in received] == [
        (0, 1, SAMPLE_RATE_HZ),
        (1, 2, SAMPLE_RATE_HZ),
    ]
    assert all(len(chunk.samples) == SAMPLES_PER_FRAME for chunk in received)
    assert chunks.finish_reason == "stop"
    assert chunks.timings == Timings(queue_s=0.001, first_event_s=0.25, total_s=0.5)
    assert chunks.request_id == triton.received[0].request_id
    assert list(chunks) == []
    assert not triton.cancelled.is_set()


def test_chunks_arrive_while_the_server_still_speaks(client: Client, triton: FakeTriton) -> None:
    until_cancelled(triton)
    with client.tts.stream("endless") as chunks:
        assert next(chunks).index == 0
        assert next(chunks).index == 1
        assert not triton.cancelled.is_set()


def test_leaving_early_cancels(client: Client, triton: FakeTriton) -> None:
    until_cancelled(triton)
    with client.tts.stream("endless") as chunks:
        for _ in chunks:
            break

    assert triton.cancelled.wait(60)
    with pytest.raises(Cancelled) as caught:
        next(chunks)
    assert caught.value.request_id == triton.received[0].request_id


def test_closing_the_client_cancels(client: Client, triton: FakeTriton) -> None:
    until_cancelled(triton)
    chunks = client.tts.stream("endless")
    next(chunks)
    client.close()

    assert triton.cancelled.wait(60)


def test_speech_the_server_gave_up_on_is_no_speech(client: Client, triton: FakeTriton) -> None:
    timings = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}
    end = {"AUDIO": b"", "EVENT": event(1, "end", finish_reason="cancelled", timings=timings)}
    triton.scripts["qwen3_tts"] = lambda _: iter([audio_event(0), end])

    with pytest.raises(Cancelled, match="the server cancelled"):
        client.tts.synthesize("hello")


def test_a_stream_without_an_end_is_an_error(client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_tts"] = lambda _: iter([audio_event(0)])

    with pytest.raises(ServerError, match="without an end event"):
        client.tts.synthesize("hello")


def test_an_ending_without_audio_is_an_error(client: Client) -> None:
    with pytest.raises(ServerError, match="no audio"):
        client.tts.synthesize("")


@pytest.mark.parametrize(
    ("suffix", "file_format"),
    [("wav", "WAV"), ("flac", "FLAC"), ("ogg", "OGG"), ("opus", "OGG"), ("mp3", "MP3"), ("WAV", "WAV")],
)
def test_saves(suffix: str, file_format: str, client: Client, tmp_path: Path) -> None:
    speech = client.tts.synthesize("good morning everyone how are you")
    path = tmp_path / f"speech.{suffix}"
    speech.save(path)

    with soundfile.SoundFile(path) as file:
        assert (file.format, file.samplerate, file.channels) == (file_format, SAMPLE_RATE_HZ, 1)
        saved = file.read(dtype="float32")
    if file_format in ("WAV", "FLAC"):
        np.testing.assert_array_equal(saved, speech.samples)


def test_saves_minutes_of_ogg(tmp_path: Path) -> None:
    """libsndfile's Vorbis encoder crashes the process when given this much at once."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLE_RATE_HZ * 180).astype(np.float32)
    Speech(samples, SAMPLE_RATE_HZ, "stop", None, 0.0, 0.1, Timings(0, 0, 0), "").save(tmp_path / "long.ogg")

    assert soundfile.info(tmp_path / "long.ogg").duration == pytest.approx(180)


def test_unknown_suffix_is_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"known: \.wav, \.flac, \.ogg, \.opus, \.mp3"):
        client.tts.synthesize("hello").save(tmp_path / "speech.doc")


def test_notebooks_play_it(client: Client) -> None:
    speech = client.tts.synthesize("good morning")
    source = re.search('src="data:audio/wav;base64,([^"]+)"', speech._repr_html_())

    assert source is not None
    played, _ = soundfile.read(io.BytesIO(base64.b64decode(source[1])), dtype="float32")
    np.testing.assert_array_equal(played, speech.samples)


# --- texts that are still being written ---------------------------------------------------------------------------


@pytest.fixture
def writing(triton: FakeTriton) -> TextSpeaker:
    speaker = TextSpeaker()
    triton.scripts["qwen3_tts"] = speaker
    return speaker


def test_text_is_spoken_while_it_is_written(client: Client, writing: TextSpeaker, triton: FakeTriton) -> None:
    with client.tts.stream_text("good ", voice="ryan") as speech:
        speech.add("morning ")
        speech.complete("everyone")
        chunks = list(speech)
    assert [(chunk.index, chunk.frames) for chunk in chunks] == [(0, 1), (1, 2), (2, 3)]
    [(name, text)] = writing.texts.items()
    assert text == ["good ", "morning ", "everyone"]
    asked = [json.loads(one.inputs["OPTIONS"]) for one in triton.received]
    mine = {"action": "add_text", "text_stream": name, "token": f"token of {name}"}
    assert asked == [{"voice": "ryan", "text_stream": name}, mine, {**mine, "text_complete": True}]


def test_all_that_is_spoken_of_a_written_text(client: Client, writing: TextSpeaker) -> None:
    with client.tts.stream_text() as speech:
        speech.complete("good morning everyone")
        whole = speech.result()
    np.testing.assert_array_equal(whole.samples, float_frames(3))


def test_text_is_written_in_one_thread_and_heard_in_another(client: Client, writing: TextSpeaker) -> None:
    with client.tts.stream_text() as speech, ThreadPoolExecutor(1) as pool:
        hearing = pool.submit(list, speech)
        for word in ("good ", "morning"):
            speech.add(word)
        speech.complete()
        assert len(hearing.result()) == 2


def test_streams_of_text_do_not_mix(client: Client, writing: TextSpeaker) -> None:
    with client.tts.stream_text() as first, client.tts.stream_text() as second:
        first.complete("one")
        second.complete("one two")
        assert [len(list(first)), len(list(second))] == [1, 2]


def test_the_async_client_speaks_while_text_is_written(triton: FakeTriton, writing: TextSpeaker) -> None:
    async def speak() -> tuple[int, Speech]:
        async with AsyncClient(triton.address) as client:
            async with client.tts.stream_text("good ") as speech:
                await speech.add("morning ")
                await speech.complete("everyone")
                heard = [chunk async for chunk in speech]
            async with client.tts.stream_text() as speech:
                await speech.complete("good morning everyone")
                return len(heard), await speech.result()

    num_chunks, whole = asyncio.run(speak())
    assert num_chunks == 3
    np.testing.assert_array_equal(whole.samples, float_frames(3))


def test_a_text_stream_that_is_refused_is_told_at_once(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "OPTIONS.voice is 'nobody'")
        yield {}

    triton.scripts["qwen3_tts"] = script
    with pytest.raises(InvalidRequest, match="'nobody'"), client.tts.stream_text(voice="nobody"):
        raise AssertionError("it was refused")


def test_text_for_speech_that_is_over_fails_at_once(client: Client, writing: TextSpeaker, triton: FakeTriton) -> None:
    with client.tts.stream_text() as speech:
        speech.complete("one")
        num_sent = len(triton.received)
        for more in (speech.add, speech.complete):
            with pytest.raises(InvalidRequest, match="the text is complete: open a new text stream"):
                more("two")
        list(speech)
        with pytest.raises(InvalidRequest, match="the speech is over"):
            speech.add("two")
    with client.tts.stream_text() as left:
        num_sent += 1
    for stream in (speech, left):
        with pytest.raises(InvalidRequest, match="the speech is over"):
            stream.add("two")
    assert len(triton.received) == num_sent


def test_the_async_client_fails_at_once_too(triton: FakeTriton, writing: TextSpeaker) -> None:
    async def speak() -> None:
        async with AsyncClient(triton.address) as client:
            async with client.tts.stream_text() as speech:
                await speech.complete("one")
                with pytest.raises(InvalidRequest, match="the text is complete"):
                    await speech.add("two")
                assert [chunk async for chunk in speech]
            with pytest.raises(InvalidRequest, match="the speech is over"):
                await speech.add("two")

    asyncio.run(speak())


def test_text_for_a_stream_that_failed_is_refused_each_time(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "OPTIONS.voice is 'nobody'")
        yield {}

    triton.scripts["qwen3_tts"] = script
    speech = client.tts.stream_text(voice="nobody")
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            speech.add("one")
    speech.close()


def test_leaving_a_text_stream_cancels_it(client: Client, triton: FakeTriton, writing: TextSpeaker) -> None:
    with client.tts.stream_text() as speech:
        speech.add("good ")
    assert triton.cancelled.wait(20)
    next(iter(writing.complete.values())).set()  # the script waits for it
