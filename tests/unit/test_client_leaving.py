"""Whoever leaves a request early has the server end it by its id, and reads what it still says; see test_leaving.py."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from client_scripts import SCRIPTS, audio_event
from fake_triton import NUM_THREADS, Cancel, FakeTriton, Payloads, Refusal

from qwen_client import Cancelled, Client, DeadlineExceeded
from qwen_client.readers import MAX_READERS

WAIT_S = 30
TEXT = "an endless speech"


def endless(triton: FakeTriton, model: str = "qwen3_tts") -> None:
    """Speaks without a pause until it is told to end."""

    def script(_: Payloads) -> Iterator[Payloads]:
        for index in range(10**6):
            yield audio_event(index)
            triton.hold(0.01)

    triton.scripts[model] = script


def silent(triton: FakeTriton, model: str) -> None:
    """Says nothing until it is told to end."""

    def script(inputs: Payloads) -> Iterator[Payloads]:
        assert triton.hold(WAIT_S)
        yield from SCRIPTS[model](inputs)

    triton.scripts[model] = script


def until(condition: Callable[[], Any]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def named(*names: str) -> int:
    return sum(thread.name in names for thread in threading.enumerate())


@pytest.mark.parametrize("num_read", [0, 1, 3])
def test_a_stream_that_is_left_ends_by_its_id(client: Client, triton: FakeTriton, num_read: int) -> None:
    endless(triton)
    with client.tts.stream(TEXT) as chunks:
        for _ in range(num_read):
            next(chunks)
    *too_early, cancel = triton.cancels  # sent with the request, it may overtake it
    assert not any(one.found for one in too_early)
    assert cancel == Cancel("qwen3_tts", chunks.request_id, cancel.headers, ("TEXT",), found=True)
    assert not triton.open_ids
    assert not triton.rpc_cancelled.is_set()
    with pytest.raises(Cancelled, match="closed before its end"):
        next(chunks)


def test_a_stream_that_is_over_is_not_cancelled(client: Client, triton: FakeTriton) -> None:
    with client.tts.stream("hello") as chunks:
        assert list(chunks)
    client.tts.synthesize("hello")
    client.asr.transcribe(b"123")
    assert not triton.cancels


def test_a_stream_left_at_its_last_chunk_is_read_out(client: Client, triton: FakeTriton) -> None:
    with client.tts.stream("good morning everyone") as chunks:
        while next(chunks).frames < 3:
            pass
    until(lambda: not triton.open_ids)
    assert not triton.rpc_cancelled.is_set()


@pytest.mark.parametrize("leave", ["close", "client", "collect"])
def test_every_way_to_leave(triton: FakeTriton, leave: str) -> None:
    endless(triton)
    client = Client(triton.address)
    chunks = client.tts.stream(TEXT)
    next(chunks)
    if leave == "close":
        chunks.close()
    elif leave == "client":
        client.close()
    else:
        del chunks
        gc.collect()
    until(lambda: triton.cancels and not triton.open_ids)
    assert not triton.rpc_cancelled.is_set()
    client.close()


def test_one_that_is_not_found_at_first_is_asked_for_again(client: Client, triton: FakeTriton) -> None:
    triton.num_deaf = 2
    endless(triton)
    with client.tts.stream(TEXT) as chunks:
        next(chunks)
    assert [cancel.found for cancel in triton.cancels] == [False, False, True]
    assert not triton.rpc_cancelled.is_set()


def test_the_rpc_is_cancelled_where_the_server_does_not_end_the_request(client: Client, triton: FakeTriton) -> None:
    triton.obeys = False
    endless(triton)
    began_s = time.monotonic()
    with client.tts.stream(TEXT) as chunks:
        next(chunks)
    assert 1.0 <= time.monotonic() - began_s < WAIT_S
    assert triton.rpc_cancelled.wait(WAIT_S)
    assert len(triton.cancels) == 1  # it was found


def test_leaving_many_at_once_takes_a_second_and_few_threads(client: Client, triton: FakeTriton) -> None:
    """None of them ends by itself."""
    triton.obeys = False
    endless(triton)
    before = named("reader")
    streams = [client.tts.stream(TEXT) for _ in range(NUM_THREADS - 1)]
    until(lambda: len(triton.open_ids) == NUM_THREADS - 1)
    del streams
    gc.collect()
    until(lambda: triton.cancels)
    assert named("reader") - before <= MAX_READERS
    assert named("cancellations") == 1
    until(lambda: not named("cancellations"))
    until(lambda: not triton.open_ids)


def test_many_threads_that_leave_at_once(client: Client, triton: FakeTriton) -> None:
    endless(triton)

    def leave(_: int) -> str:
        with client.tts.stream(TEXT) as chunks:
            next(chunks)
        return chunks.request_id

    with ThreadPoolExecutor(8) as pool:
        left = list(pool.map(leave, range(64)))
    assert {cancel.request_id for cancel in triton.cancels} == set(left)
    assert not triton.rpc_cancelled.is_set()
    until(lambda: not named("cancellations"))


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Presses it when a condition holds."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
    threads = []

    def press_when(condition: Callable[[], Any]) -> None:
        def press() -> None:
            until(condition)
            os.kill(os.getpid(), signal.SIGINT)

        threads.append(threading.Thread(target=press))
        threads[-1].start()

    yield press_when
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_a_stream_is_read(client: Client, triton: FakeTriton, ctrl_c: Any) -> None:
    silent(triton, "qwen3_tts")
    ctrl_c(lambda: triton.open_ids)
    with pytest.raises(KeyboardInterrupt), client.tts.stream(TEXT) as chunks:
        next(chunks)
    [cancel] = triton.cancels
    assert cancel.request_id == chunks.request_id
    assert not triton.open_ids
    assert not triton.rpc_cancelled.is_set()
    assert client.chat.complete("hello").text


def test_ctrl_c_twice(client: Client, triton: FakeTriton, ctrl_c: Any) -> None:
    """The second ends the waiting for the server; the rest is read all the same."""
    triton.obeys = False
    endless(triton)
    ctrl_c(lambda: triton.cancels)
    with pytest.raises(KeyboardInterrupt), client.tts.stream(TEXT) as chunks:
        next(chunks)
    assert not triton.rpc_cancelled.is_set()
    assert triton.rpc_cancelled.wait(WAIT_S)


def test_ctrl_c_while_an_answer_is_awaited(client: Client, triton: FakeTriton, ctrl_c: Any) -> None:
    silent(triton, "qwen3_asr")
    ctrl_c(lambda: triton.open_ids)
    with pytest.raises(KeyboardInterrupt):
        client.asr.transcribe(b"123")
    assert [(one.model, one.empty, one.found) for one in triton.cancels] == [("qwen3_asr", ("AUDIO",), True)]
    assert not triton.open_ids


def test_closing_the_client_ends_what_other_threads_wait_for(triton: FakeTriton) -> None:
    silent(triton, "qwen3_asr")
    endless(triton)
    with Client(triton.address) as client, ThreadPoolExecutor(2) as pool:
        heard = pool.submit(client.asr.transcribe, b"123")
        spoken = pool.submit(client.tts.synthesize, TEXT)
        until(lambda: len(triton.open_ids) == 2)
        client.close()
        for future in (heard, spoken):
            with pytest.raises(Cancelled):
                future.result(WAIT_S)
    assert {cancel.model for cancel in triton.cancels} == {"qwen3_asr", "qwen3_tts"}
    assert not triton.rpc_cancelled.is_set()


def test_an_ensemble_is_cancelled_at_its_members(client: Client, triton: FakeTriton, ctrl_c: Any) -> None:
    silent(triton, "spoken_image")
    ctrl_c(lambda: triton.open_ids)
    with pytest.raises(KeyboardInterrupt):
        client.chains.spoken_image(b"123")
    [received] = triton.received
    until_s = time.monotonic() + WAIT_S
    while len(triton.cancels) < 2 and time.monotonic() < until_s:  # the stream may end with the first of them
        time.sleep(0.01)
    assert {(one.model, one.request_id, one.empty) for one in triton.cancels} == {
        ("qwen3_asr", received.request_id, ("AUDIO",)),
        ("qwen_image", received.request_id, ("PROMPT",)),
    }


def test_chains_are_left_alike(client: Client, triton: FakeTriton) -> None:
    endless(triton, "storyboard")
    with client.chains.storyboard("a red circle") as run:
        pass
    endless(triton, "voice_chat")
    with client.chains.voice_chat(text="hello") as turn:
        pass
    assert {one.request_id for one in triton.cancels if one.found} == {run.request_id, turn.request_id}


def test_a_request_is_cancelled_as_its_tenant(triton: FakeTriton) -> None:
    endless(triton)
    with Client(triton.address, tenant="anna") as client, client.tts.stream(TEXT) as chunks:
        next(chunks)
    assert triton.cancels[0].headers["qwen-tenant"] == "anna"


@pytest.mark.parametrize(("timeout_s", "expected_s"), [(60.0, 59.5), (2.0, 1.8)])
def test_the_server_ends_a_request_shortly_before_its_deadline(
    triton: FakeTriton, timeout_s: float, expected_s: float
) -> None:
    with Client(triton.address, timeout_s=timeout_s) as client:
        client.asr.transcribe(b"123")
        client.tts.synthesize("hello")
    assert [one.timeout_s for one in triton.received] == [pytest.approx(expected_s, abs=0.05)] * 2
    assert all(one.deadline_s > expected_s for one in triton.received)


@pytest.mark.parametrize("model", ["qwen3_asr", "qwen3_tts"])
def test_a_deadline_that_the_server_tells_is_one(client: Client, triton: FakeTriton, model: str) -> None:
    """Triton's code for it says cancelled."""

    def script(_: Payloads) -> Iterator[Payloads]:
        raise Refusal(grpc.StatusCode.CANCELLED, "DEADLINE_EXCEEDED: not done in time", by_model=False)

    triton.scripts[model] = script
    with pytest.raises(DeadlineExceeded):
        client.asr.transcribe(b"123") if model == "qwen3_asr" else client.tts.synthesize("hello")
