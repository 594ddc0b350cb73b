"""`client.asr.stream`, of both clients: sessions of a server that keeps state by sequence."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from client_scripts import HALF_SECOND_BYTES, SCRIPTS, Captioner
from fake_triton import FakeTriton, Payloads, Refusal

from qwen_client import AsyncClient, AudioPiece, Caption, Client, InvalidRequest, QwenError, Segment, Unavailable

WAIT_S = 20
SECONDS_3 = bytes(6 * HALF_SECOND_BYTES)
WORDS = "w0 w1 w2 w3 w4 w5"


def sync_captions(triton: FakeTriton, pieces: Sequence[AudioPiece], **options: Any) -> list[Caption]:
    with Client(triton.address) as client, client.asr.stream(**options) as captions:
        return list(captions.iterate(pieces))


def async_captions(triton: FakeTriton, pieces: Sequence[AudioPiece], **options: Any) -> list[Caption]:
    async def each() -> AsyncIterator[AudioPiece]:
        for piece in pieces:
            yield piece

    async def run() -> list[Caption]:
        async with AsyncClient(triton.address) as client, client.asr.stream(**options) as captions:
            return [caption async for caption in captions.iterate(each())]

    return asyncio.run(run())


both = pytest.mark.parametrize("caption", [sync_captions, async_captions])


def audio_of(triton: FakeTriton) -> list[int]:
    """How many bytes of audio each request had."""
    return [len(request.inputs["AUDIO"]) for request in triton.received]


def refusing(number: int, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> Any:
    """A captioner that refuses the request with this number, counted from 0."""
    captioner, requests = Captioner(), iter(range(1000))

    def script(inputs: Payloads) -> Iterator[Payloads]:
        if next(requests) == number:
            raise Refusal(code, "the queue is full")
        return captioner(inputs)

    return script


@both
def test_captions_grow_from_partial_to_final(caption: Any, triton: FakeTriton) -> None:
    captions = caption(triton, [SECONDS_3])

    assert [(one.stable, one.partial) for one in captions] == [
        ("", "w0"),
        ("w0", " w1"),
        ("w0 w1", " w2"),
        ("w0 w1 w2 w3", ""),
        ("w0 w1 w2 w3", " w4"),
        ("w0 w1 w2 w3 w4", " w5"),
        (WORDS, ""),
    ]
    assert [one.index for one in captions] == list(range(7))
    assert [one.segment for one in captions] == [0, 0, 0, 1, 1, 1, 1]
    assert captions[3].segments == (Segment(0.0, 2.0, "w0 w1 w2 w3"),)
    assert captions[1].text == "w0 w1"
    assert [one.is_final for one in captions] == [False] * 6 + [True]
    assert (captions[-1].audio_s, captions[-1].language) == (3.0, "English")


@both
@pytest.mark.parametrize("piece_bytes", [1, 777, 16_000, 50_001, 96_000])
def test_pieces_of_any_size_are_heard_by_the_half_second(piece_bytes: int, caption: Any, triton: FakeTriton) -> None:
    audio = SECONDS_3[:-piece_bytes] if piece_bytes == 1 else SECONDS_3  # one at a time: fewer
    audio = audio[: 2 * HALF_SECOND_BYTES + 500] if piece_bytes == 1 else audio
    pieces = [audio[start : start + piece_bytes] for start in range(0, len(audio), piece_bytes)]
    caption(triton, pieces)

    num_chunks, rest = divmod(len(audio), HALF_SECOND_BYTES)
    assert audio_of(triton) == [HALF_SECOND_BYTES] * num_chunks + [rest]


@both
def test_one_sequence_from_start_to_end(caption: Any, triton: FakeTriton) -> None:
    caption(triton, [SECONDS_3], language="English", context="Qwen")
    caption(triton, [b""])
    sent = [request.inputs for request in triton.received]

    assert [one["START"] for one in sent] == [b"1", *[b"0"] * 6, b"1"]
    assert [one["END"] for one in sent] == [b"0"] * 6 + [b"1", b"1"]
    assert len({one["CORRID"] for one in sent}) == 2
    assert all(0 < int(one["CORRID"]) < 2**63 for one in sent)
    assert json.loads(sent[0]["OPTIONS"]) == {"language": "English", "context": "Qwen"}
    assert {one["OPTIONS"] for one in sent[1:7]} == {b'{"token": "token of %b"}' % sent[0]["CORRID"]}
    assert sent[7]["OPTIONS"] == b"{}"
    assert {one.model for one in triton.received} == {"qwen3_asr_stream"}


@both
def test_rate_and_channels_are_told_and_set_the_size_of_chunks(caption: Any, triton: FakeTriton) -> None:
    caption(triton, [bytes(100_000)], sample_rate=44_100, channels=2, chunk_s=0.25)

    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"sample_rate_hz": 44_100, "num_channels": 2}
    assert audio_of(triton) == [44_100, 44_100, 11_800]


@both
def test_a_last_frame_that_is_not_whole_is_left_out(caption: Any, triton: FakeTriton) -> None:
    caption(triton, [b"1234567"], channels=2)

    assert audio_of(triton) == [4]


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_become_16_bits(dtype: str, shape: tuple[int, ...], client: Client, triton: FakeTriton) -> None:
    with client.asr.stream() as captions:
        assert captions.feed(np.array([-1.5, -1.0, 0.0, 0.5, 1.5], dtype).reshape(shape)) == []
        captions.finish()

    sent = np.frombuffer(triton.received[0].inputs["AUDIO"], "<i2")
    np.testing.assert_array_equal(sent, [-32_768, -32_768, 0, 16_384, 32_767])


def test_samples_of_two_channels_and_bytes_of_all_kinds(client: Client, triton: FakeTriton) -> None:
    samples = np.arange(8, dtype=np.int16).reshape(4, 2)
    with client.asr.stream(channels=2) as captions:
        for piece in (samples, samples.tobytes(), bytearray(samples.tobytes()), memoryview(samples.tobytes())):
            captions.feed(piece)
        captions.finish()

    assert triton.received[0].inputs["AUDIO"] == samples.tobytes() * 4


@pytest.mark.parametrize("samples", [np.zeros(8, "int64"), np.zeros((4, 3), "float32"), np.zeros((1, 1, 1), "int16")])
def test_arrays_that_do_not_fit_are_refused(samples: np.ndarray, client: Client, triton: FakeTriton) -> None:
    with client.asr.stream() as captions, pytest.raises(InvalidRequest, match=r"allowed: "):
        captions.feed(samples)
    assert triton.received == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_s": 0.05}, "chunk_s is 0.05: give 0.1 to 2"),
        ({"chunk_s": 3}, "chunk_s is 3"),
        ({"sample_rate": 0}, "sample_rate is 0: give a whole number from 4000 to 384000"),
        ({"channels": -1}, "channels is -1"),
    ],
)
def test_plans_that_cannot_work_are_refused(options: dict[str, Any], message: str, client: Client) -> None:
    with pytest.raises(InvalidRequest, match=message):
        client.asr.stream(**options)


def test_feeding_gives_what_each_piece_brought(client: Client) -> None:
    with client.asr.stream() as captions:
        assert captions.feed(SECONDS_3[:100]) == []
        assert [one.text for one in captions.feed(SECONDS_3[: 2 * HALF_SECOND_BYTES])] == ["w0", "w0 w1"]
        assert captions.finish().stable == "w0 w1"


def test_captions_come_while_more_is_spoken(client: Client, triton: FakeTriton) -> None:
    def microphone() -> Iterator[bytes]:
        for number in range(3):
            yield bytes(HALF_SECOND_BYTES)
            assert len(triton.received) == number + 1

    with client.asr.stream() as captions:
        assert len(list(captions.iterate(microphone()))) == 4


def test_leaving_early_frees_the_server(client: Client, triton: FakeTriton) -> None:
    with client.asr.stream() as captions:
        for _ in captions.iterate([SECONDS_3]):
            assert triton.open_sequences == {captions.sequence_id}
            break

    assert triton.open_sequences == set()
    assert audio_of(triton) == [HALF_SECOND_BYTES, 0]
    with pytest.raises(InvalidRequest, match="have ended"):
        captions.feed(b"")


def test_sessions_that_never_began_need_no_end(client: Client, triton: FakeTriton) -> None:
    with client.asr.stream() as captions:
        captions.feed(b"1234")

    assert triton.received == []


def test_a_finished_session_takes_no_more(client: Client, triton: FakeTriton) -> None:
    with client.asr.stream() as captions:
        captions.finish()
        with pytest.raises(InvalidRequest, match="these captions have ended: open new ones"):
            captions.feed(b"")
        with pytest.raises(InvalidRequest, match="have ended"):
            captions.finish()

    assert len(triton.received) == 1


@both
def test_errors_are_typed_and_the_server_is_freed(caption: Any, triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr_stream"] = refusing(2)
    with pytest.raises(Unavailable, match="the queue is full") as caught:
        caption(triton, [SECONDS_3])

    assert caught.value.request_id == triton.received[2].request_id
    assert triton.open_sequences == set()
    assert triton.received[-1].inputs["END"] == b"1"


def test_after_an_error_there_is_a_gap_so_no_more_is_taken(client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr_stream"] = refusing(1)
    with client.asr.stream() as captions:
        with pytest.raises(Unavailable):
            captions.feed(SECONDS_3)
        with pytest.raises(InvalidRequest, match="cut off by an error: open new ones"):
            captions.feed(SECONDS_3)


@both
def test_an_end_that_fails_hides_no_error(caption: Any, triton: FakeTriton) -> None:
    def script(inputs: Payloads) -> Iterator[Payloads]:
        raise Refusal(grpc.StatusCode.INTERNAL, "first" if inputs["END"] == b"0" else "second")
        yield {}

    triton.scripts["qwen3_asr_stream"] = script
    with pytest.raises(QwenError, match="first"):
        caption(triton, [SECONDS_3])


def test_cancelling_the_task_frees_the_server() -> None:
    async def run(triton: FakeTriton) -> None:
        heard = asyncio.Event()

        async def caption(client: AsyncClient) -> None:
            async with client.asr.stream() as captions:
                await captions.feed(SECONDS_3)
                heard.set()
                await asyncio.Event().wait()  # as a silent microphone

        async with AsyncClient(triton.address) as client:
            task = asyncio.create_task(caption(client))
            await heard.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with FakeTriton({**SCRIPTS, "qwen3_asr_stream": Captioner()}) as triton:
        asyncio.run(run(triton))
        assert triton.open_sequences == set()


def test_sessions_do_not_mix(triton: FakeTriton) -> None:
    async def session(client: AsyncClient, num_chunks: int) -> str:
        async with client.asr.stream() as captions:
            for _ in range(num_chunks):
                await captions.feed(bytes(HALF_SECOND_BYTES))
            return (await captions.finish()).stable

    async def run() -> list[str]:
        async with AsyncClient(triton.address) as client:
            return await asyncio.gather(*(session(client, number) for number in range(12)))

    assert [len(text.split()) for text in asyncio.run(run())] == list(range(12))


IDLE_S = 0.3  # after which the scripted server would forget a session


class Forgetful(Captioner):
    """Forgets sessions that are silent, and tells when it has heard `num_signs` signs of life."""

    def __init__(self, num_signs: int, refused: QwenError | None = None) -> None:
        super().__init__(idle_timeout_s=IDLE_S)
        self.has_heard = threading.Event()
        self.signs: list[float] = []
        self._num_signs = num_signs
        self._refused = refused

    def __call__(self, inputs: Payloads) -> Iterator[Payloads]:
        if not inputs["AUDIO"] and inputs["END"] == b"0":
            self.signs.append(time.monotonic())
            if len(self.signs) >= self._num_signs:
                self.has_heard.set()
            if self._refused is not None:
                raise Refusal(grpc.StatusCode.UNAVAILABLE, str(self._refused))
        return super().__call__(inputs)


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Those of the test end with it."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "keep-alive":
            thread.join(WAIT_S)
            assert not thread.is_alive()


@pytest.mark.usefixtures("no_threads_left")
def test_a_silent_session_is_kept_open(triton: FakeTriton) -> None:
    captioner = triton.scripts["qwen3_asr_stream"] = Forgetful(5)
    with Client(triton.address) as client, client.asr.stream() as captions:
        captions.feed(SECONDS_3[: 2 * HALF_SECOND_BYTES])
        assert captioner.has_heard.wait(WAIT_S)
        heard = [*captions.feed(SECONDS_3[2 * HALF_SECOND_BYTES :]), captions.finish()]
    assert heard[-1].text == WORDS
    assert heard[-1].audio_s == 3.0
    num_signs = len(captioner.signs)
    assert sum(not num_bytes for num_bytes in audio_of(triton)) == num_signs + 1  # and the end


def test_a_silent_session_of_the_async_client_is_kept_open(triton: FakeTriton) -> None:
    captioner = triton.scripts["qwen3_asr_stream"] = Forgetful(5)

    async def run() -> tuple[Caption, set[str]]:
        async with AsyncClient(triton.address) as client, client.asr.stream() as captions:
            await captions.feed(SECONDS_3[: 2 * HALF_SECOND_BYTES])
            await asyncio.to_thread(captioner.has_heard.wait, WAIT_S)
            await captions.feed(SECONDS_3[2 * HALF_SECOND_BYTES :])
            last = await captions.finish()
        await asyncio.sleep(0)
        return last, {task.get_coro().__qualname__ for task in asyncio.all_tasks()}

    last, tasks = asyncio.run(run())
    assert last.text == WORDS
    assert "_repeat_async" not in tasks


def test_a_session_that_is_fed_needs_no_sign_of_life(triton: FakeTriton) -> None:
    captioner = triton.scripts["qwen3_asr_stream"] = Forgetful(1)
    captioner.idle_timeout_s = 600.0
    sync_captions(triton, [SECONDS_3])
    assert captioner.signs == []


def test_a_sign_of_life_that_is_refused_breaks_nothing(triton: FakeTriton) -> None:
    captioner = triton.scripts["qwen3_asr_stream"] = Forgetful(3, Unavailable("the queue is full"))
    with Client(triton.address) as client, client.asr.stream() as captions:
        captions.feed(SECONDS_3[:HALF_SECOND_BYTES])
        assert captioner.has_heard.wait(WAIT_S)
        captions.feed(SECONDS_3[HALF_SECOND_BYTES:])
        assert captions.finish().text == WORDS


@pytest.mark.usefixtures("no_threads_left")
def test_a_session_that_nobody_has_or_whose_client_is_closed_is_forgotten(triton: FakeTriton) -> None:
    captioner = triton.scripts["qwen3_asr_stream"] = Forgetful(1)
    with Client(triton.address) as client:
        lost, kept = client.asr.stream(), client.asr.stream()
        for captions in (lost, kept):
            captions.feed(SECONDS_3[:HALF_SECOND_BYTES])
        assert captioner.has_heard.wait(WAIT_S)
        del lost, captions
    with pytest.raises(QwenError):
        kept.feed(SECONDS_3[:HALF_SECOND_BYTES])
