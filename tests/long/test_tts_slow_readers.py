"""Callers who do not read cost no more than their sound, and get all of it in the end."""

from contextlib import ExitStack

from tests.long.test_soak import memory_mb

TEXT = "The meeting starts at nine o'clock. Please call Anna on Friday. " * 8
NUM_READERS = 8
MB = 1 << 20
BYTES_A_SAMPLE = 2
TIMES_ITS_SOUND = 3  # in the stub, on the way, and in Triton's answer
ALLOWED_MB = 60  # buffers that any such load leaves behind


def test_what_is_not_read_waits_in_bounded_memory(server, client):
    expected = len(client.tts.synthesize(TEXT).samples)
    before_mb = memory_mb(server)
    with ExitStack() as open_streams:
        streams = [open_streams.enter_context(client.tts.stream(TEXT, chunk_frames=[1])) for _ in range(NUM_READERS)]
        firsts = [len(next(stream).samples) for stream in streams]
        assert len(client.tts.synthesize(TEXT).samples) == expected  # it began last: the others are spoken too
        growth_mb = memory_mb(server) - before_mb
        lengths = [
            first + sum(len(chunk.samples) for chunk in stream) for first, stream in zip(firsts, streams, strict=True)
        ]
    assert lengths == [expected] * NUM_READERS
    assert growth_mb < ALLOWED_MB + TIMES_ITS_SOUND * NUM_READERS * expected * BYTES_A_SAMPLE / MB
