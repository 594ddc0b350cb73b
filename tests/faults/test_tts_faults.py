"""What callers do wrong in mid-stream hurts nobody else, and leaves every place free again."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qwen_client import Client, InvalidRequest

TEXT = "Please show me a large purple triangle on a white background and call Grace at seven o'clock on Friday."
SHORT = "Hello everyone."
NUM_PLACES = 16  # of the demo profile
NUM_PARTS, NUM_CHARS = 5, 4000  # of a text stream
TOLERANCE = 1.5 / 32768  # batch mates may change a sample's last bit


@pytest.fixture(scope="module")
def expected(server) -> dict[str, np.ndarray]:
    with Client(server.address.grpc) as client:
        return {text: client.tts.synthesize(text).samples for text in (TEXT, SHORT)}


def assert_all_places_work(client: Client, expected: dict[str, np.ndarray]) -> None:
    """A full batch at once, each with the right sound: no slot is lost and none holds somebody else's state."""
    with ThreadPoolExecutor(NUM_PLACES) as pool:
        texts = [TEXT, SHORT] * (NUM_PLACES // 2)
        for text, speech in zip(texts, pool.map(client.tts.synthesize, texts), strict=True):
            assert len(speech.samples) == len(expected[text])
            np.testing.assert_allclose(speech.samples, expected[text], atol=TOLERANCE)


@pytest.mark.parametrize("num_chunks", [0, 1, 3])
def test_cancelled_streams_free_their_places(client, expected, num_chunks):
    """Cancelled in the queue or in prefill (0), after the first sound, in mid-stream; more than there are places."""
    for _ in range(2 * NUM_PLACES):
        with client.tts.stream(TEXT, chunk_frames=[1]) as stream:
            for _, _chunk in zip(range(num_chunks), stream, strict=False):
                pass
    assert_all_places_work(client, expected)


def test_a_cancel_after_the_last_chunk_is_harmless(client, expected):
    for _ in range(NUM_PLACES):
        with client.tts.stream(SHORT, chunk_frames=[1]) as stream:
            frames = 0
            while frames < len(expected[SHORT]) // 1920:
                frames = next(stream).frames
    assert_all_places_work(client, expected)


def test_a_client_that_vanishes(server, client, expected):
    script = (
        "import sys\n"
        "from qwen_client import Client\n"
        "client = Client(sys.argv[1])\n"
        "stream = client.tts.stream(sys.argv[2], chunk_frames=[1])\n"
        "next(stream)\n"
        "print('heard', flush=True)\n"
        "sys.stdin.read()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, server.address.grpc, TEXT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "heard\n"
        process.kill()
        process.communicate(timeout=30)
    assert_all_places_work(client, expected)


def test_a_slow_reader_gets_everything_and_holds_nobody_up(client, expected):
    with client.tts.stream(TEXT, chunk_frames=[1]) as slow:
        first = next(slow)
        assert_all_places_work(client, expected)  # while nobody reads
        rest = [chunk.samples for chunk in slow]
    heard = np.concatenate([first.samples, *rest])
    np.testing.assert_allclose(heard, expected[TEXT], atol=TOLERANCE)


def test_text_that_arrives_piece_by_piece(client, expected):
    with client.tts.stream_text() as speech:
        for piece in ["Hello ", "every", "one"]:
            speech.add(piece)
        speech.complete(".")
        heard = np.concatenate([chunk.samples for chunk in speech])
    np.testing.assert_allclose(heard, expected[SHORT], atol=TOLERANCE)


def test_sound_begins_before_the_text_ends(client):
    with client.tts.stream_text("Good morning everyone, ", chunk_frames=[1]) as speech:
        speech.add("the meeting starts")
        first = next(speech)
        assert (first.index, first.frames) == (0, 1)
        speech.complete(" at nine o'clock today.")
        assert sum(len(chunk.samples) for chunk in speech) > 1920 * 20


def test_open_texts_do_not_stop_others(client, expected):
    with client.tts.stream_text():
        np.testing.assert_allclose(client.tts.synthesize(SHORT).samples, expected[SHORT], atol=TOLERANCE)
    assert_all_places_work(client, expected)


def test_a_text_stream_takes_so_much_text_and_no_more(client, expected):
    part = ("Dr. Mr. " * NUM_CHARS)[:NUM_CHARS]
    with client.tts.stream_text() as speech:
        with pytest.raises(InvalidRequest, match=r"TEXT has 1000000 characters; the limit is 4000"):
            speech.add("Dr. " * 250_000)
        for _ in range(NUM_PARTS):
            speech.add(part)
        with pytest.raises(InvalidRequest, match="the stream would have 20001 characters; the limit is 20000"):
            speech.add("x")
        assert next(speech).frames > 0
        np.testing.assert_allclose(client.tts.synthesize(SHORT).samples, expected[SHORT], atol=TOLERANCE)
    with pytest.raises(InvalidRequest, match="TEXT has 1000000 characters"):
        client.tts.synthesize("Dr. " * 250_000)
    assert_all_places_work(client, expected)


def test_an_open_text_whose_caller_left_gives_its_place_back(client, expected):
    for _ in range(NUM_PLACES + 1):
        with client.tts.stream_text("Hello everyone. And") as speech:
            next(speech)
    assert_all_places_work(client, expected)


def test_a_full_house_queues_and_serves_everyone(client, expected):
    with ThreadPoolExecutor(3 * NUM_PLACES) as pool:
        spoken = list(pool.map(client.tts.synthesize, [SHORT] * (3 * NUM_PLACES)))
    assert [len(speech.samples) for speech in spoken] == [len(expected[SHORT])] * (3 * NUM_PLACES)
