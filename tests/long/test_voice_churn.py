"""Voices come and go, hundreds of times, through the real server, while others list and speak: nobody else notices."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qwen_client import Client, InvalidRequest

TURNS = 100
CONSENT = "made by espeak-ng"
GONE = ("which was removed meanwhile", "allowed: ")  # what may be told of a voice that goes
TIMEOUT_S = 300


def test_adding_and_removing_voices_disturbs_no_other_request(server, audio: Path):
    stop = threading.Event()
    told: list[str] = []
    recording = (audio / "message.wav").read_bytes()

    def churn(client: Client, name: str) -> int:
        for _ in range(TURNS):
            client.voices.add(name, recording, consent=CONSENT)
            client.voices.remove(name)
        return TURNS

    def list_voices(client: Client) -> int:
        count = 0
        while not stop.is_set():
            assert "lasting" in {voice.name for voice in client.voices.list().voices}
            count += 1
        return count

    def speak(client: Client, voice: str) -> int:
        count = 0
        while not stop.is_set():
            assert client.tts.synthesize("Hello.", voice=voice).duration_s > 0
            count += 1
        return count

    def speak_as_one_that_goes(client: Client, voice: str) -> int:
        count = 0
        while not stop.is_set():
            try:
                client.tts.synthesize("Hello.", voice=voice)
            except InvalidRequest as error:
                told.append(error.message)
            count += 1
        return count

    with (
        Client(server.address.grpc, timeout_s=TIMEOUT_S) as client,
        Client(server.address.grpc, timeout_s=TIMEOUT_S, tenant="other") as other,
        ThreadPoolExecutor(12) as pool,
    ):
        lasting = client.voices.add("lasting", recording, consent=CONSENT)
        other.voices.add("lasting", recording, consent=CONSENT)
        beside = [pool.submit(list_voices, one) for one in (client, other)]
        beside += [pool.submit(speak, client, voice) for voice in ("lasting", "ava")]
        beside += [pool.submit(speak, other, "lasting"), pool.submit(speak_as_one_that_goes, client, "churn-0")]
        churning = [pool.submit(churn, client, f"churn-{number}") for number in range(2)]
        churning.append(pool.submit(churn, other, "churn-0"))
        try:
            assert [one.result() for one in churning] == [TURNS] * 3
        finally:
            stop.set()
        counts = [one.result() for one in beside]
        print(f"{3 * TURNS} voices came and went beside {sum(counts)} requests")
        assert all(counts)
        assert all("OPTIONS.voice is 'churn-0'" in one and any(words in one for words in GONE) for one in told)
        assert [voice for voice in client.voices.list().voices if voice.name == "lasting"] == [lasting]
        for one in (client, other):
            one.voices.remove("lasting")
