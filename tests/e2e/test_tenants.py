"""Across tenants and names: what one caller keeps here, no other reads, changes or ends, over gRPC and HTTP."""

import http.client
import itertools
import json
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import soundfile
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from qwen_client import ChainFailed, Client, InvalidRequest, QwenError, Unavailable
from qwen_client.connection import CallOptions
from qwen_client.jobs import StreamJob
from qwen_server.address import Address
from qwen_server.profiles import load_profile
from qwen_server.triton_process import TritonProcess
from tests.plain_http import JSON, ask

CAPTIONS = "qwen3_asr_stream"
SAMPLE_RATE_HZ = 16_000
TIMEOUT_S = 60
MAX_STREAMS = 64  # of the demo profile
IDS = itertools.count(500)


Door = Callable[..., dict[str, Any]]
"""One way to the server: what a model answers, by output."""


class Refused(Exception):
    """What the server told, whatever the protocol."""


def over_grpc(server: Any) -> Door:
    triton = tritonclient.grpc.InferenceServerClient(server.address.grpc)

    def send(model: str, tenant: str | None, payloads: dict[str, bytes], options: dict[str, Any], **step: Any) -> Any:
        inputs = []
        for name, payload in {**payloads, "OPTIONS": json.dumps(options).encode()}.items():
            inputs.append(tritonclient.grpc.InferInput(name, [1, 1], "BYTES"))
            inputs[-1].set_data_from_numpy(np.array([[payload]], dtype=np.object_))
        headers = {"qwen-tenant": tenant} if tenant else {}
        try:
            answer = triton.infer(model, inputs, client_timeout=TIMEOUT_S, headers=headers, **step)
        except InferenceServerException as error:
            raise Refused(error.message()) from None
        return {one.name: answer.as_numpy(one.name)[0, 0] for one in answer.get_response().outputs}

    return send


def over_http(server: Any) -> Door:
    def send(model: str, tenant: str | None, payloads: dict[str, bytes], options: dict[str, Any], **step: Any) -> Any:
        options = {**options, "input_encoding": "base64", "output_encoding": "base64"}
        texts = {name: b64encode(payload).decode() for name, payload in payloads.items()}
        inputs = [
            {"name": name, "datatype": "BYTES", "shape": [1, 1], "data": [text]}
            for name, text in {**texts, "OPTIONS": json.dumps(options)}.items()
        ]
        return {
            name: value.encode()
            for name, value in infer(server, model, {"inputs": inputs, "parameters": step}, tenant).items()
        }

    return send


def infer(server: Any, model: str, body: dict[str, Any], tenant: str | None) -> dict[str, str]:
    """POST `body`; header names as a Go program writes them."""
    headers = {"Qwen-Tenant": tenant} if tenant else {}
    status, text = ask(server, f"{model}/infer", body, headers)
    answer = json.loads(text)
    if status != 200:
        raise Refused(answer["error"])
    return {one["name"]: one["data"][0] for one in answer["outputs"]}


@pytest.fixture(params=[over_grpc, over_http], ids=["gRPC", "HTTP"])
def door(request: Any, server: Any) -> Door:
    door: Door = request.param(server)
    return door


@pytest.fixture
def ben(server):
    with Client(server.address.grpc, tenant="ben") as client:
        yield client


@pytest.fixture(scope="module")
def speech(audio) -> np.ndarray:
    return soundfile.read(audio / "message.wav", dtype="int16")[0]


# --- live captions ------------------------------------------------------------------------------------------------


def caption(
    door: Door, number: int, audio: bytes = b"", tenant: str | None = None, token: str = "", **step: bool
) -> Any:
    """One chunk; the EVENT."""
    options = {"token": token} if token else {}
    flags = {"sequence_start": False, "sequence_end": False, **step}
    answer = door(CAPTIONS, tenant, {"AUDIO": audio}, options, sequence_id=number, **flags)
    return json.loads(answer["EVENT"])


@pytest.mark.parametrize("stranger", [None, "ben"], ids=["same tenant", "other tenant"])
def test_a_guessed_caption_stream_is_neither_read_nor_given_words_nor_ended(door, speech, stranger):
    number, (first, rest) = next(IDS), np.array_split(speech, 2)
    alone = caption(door, next(IDS), speech.tobytes(), sequence_start=True, sequence_end=True)
    token = caption(door, number, first.tobytes(), sequence_start=True)["token"]
    for flags in ({}, {"sequence_end": True}, {"sequence_start": True, "sequence_end": True}):
        for wrong in ("", "guess", token[1:]):
            if not wrong and "sequence_start" in flags:
                continue  # that is a stream of its own
            with pytest.raises(Refused, match=r"OPTIONS\.token opens no stream|must specify the START flag") as refused:
                caption(door, number, speech.tobytes(), stranger, wrong, **flags)
            assert "stable" not in str(refused.value)
    last = caption(door, number, rest.tobytes(), None, token, sequence_start=True, sequence_end=True)
    assert last["stable"] == alone["stable"]


def test_a_stranger_s_start_of_the_same_id_is_a_stream_of_its_own(door, speech):
    number, (first, rest) = next(IDS), np.array_split(speech, 2)
    alone = caption(door, next(IDS), speech.tobytes(), sequence_start=True, sequence_end=True)
    token = caption(door, number, first.tobytes(), sequence_start=True)["token"]
    other = caption(door, number, b"", "ben", sequence_start=True)["token"]
    with pytest.raises(Refused, match=f"stream {number} is open already"):
        caption(door, number, sequence_start=True)
    assert caption(door, number, rest.tobytes(), None, token)["audio_s"] == pytest.approx(len(speech) / SAMPLE_RATE_HZ)
    assert caption(door, number, b"", "ben", other, sequence_end=True)["audio_s"] == 0.0
    last = caption(door, number, b"", None, token, sequence_start=True, sequence_end=True)
    assert last["stable"] == alone["stable"]


def test_a_flood_of_starts_locks_nobody_out(server, ben, speech):
    """More than there are streams, and than Triton once had candidates for sequences."""
    send = over_grpc(server)
    numbers = [next(IDS) for _ in range(5000)]

    def start(number: int) -> str:
        try:
            send(CAPTIONS, "flooding", {"AUDIO": b""}, {}, sequence_id=number, sequence_start=True)
        except Refused as refused:
            return str(refused)
        return "open"

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(start, numbers))
    assert told.count("open") == MAX_STREAMS // 2
    assert sum("this tenant has 32 streams open, its limit" in one for one in told) == len(numbers) - MAX_STREAMS // 2
    with (
        Client(server.address.grpc, tenant="flooding") as client,
        client.asr.stream() as captions,
        pytest.raises(Unavailable, match="this tenant has 32 streams open"),
    ):
        captions.feed(speech)
    with ben.asr.stream() as captions:
        assert list(captions.iterate([speech]))[-1].stable


# --- conversations ------------------------------------------------------------------------------------------------


def test_a_guessed_conversation_is_neither_read_nor_interrupted_nor_ended(client, ben):
    with client.chains.conversation("plans") as talk:
        talk.say(text="The meeting starts at nine o'clock tomorrow.").result()
        for other in (client, ben):
            for asked in ({"text": "Show me the plan."}, {"end_session": True}, {"text": "Hello.", "played_s": 0.0}):
                with pytest.raises(InvalidRequest, match=r"OPTIONS\.token opens no conversation 'plans'"):
                    other.chains.voice_chat(session="plans", token="guess", **asked).result()
        with pytest.raises(InvalidRequest, match="conversation 'plans' is open already"):
            client.chains.voice_chat(text="Show me the plan.", session="plans").result()
        with ben.chains.conversation("plans") as another:
            told = another.say(text="Show me the plan.").result()
            assert [message["content"] for message in told.messages if message["role"] == "user"] == [
                "Show me the plan."
            ]
            with pytest.raises(InvalidRequest, match=r"OPTIONS\.token opens no conversation 'plans'"):
                ben.chains.conversation("plans", token=talk.token).say(text="Hello.").result()
        assert len(talk.say(text="Show me the plan.").result().messages) == 5


# --- texts that are still being written ---------------------------------------------------------------------------


def events_over_http(server: Any, tenant: str | None, text: str = "", audio: bytes = b"", **options: Any) -> Any:
    """Each EVENT of a streamed answer of speech. Triton forwards no headers here: a field names the tenant."""
    encodings = {"input_encoding": "base64", "output_encoding": "base64"}
    body = {"TEXT": text, "OPTIONS": json.dumps({**options, **encodings}), "REF_AUDIO": b64encode(audio).decode()}
    named = {"qwen-tenant": tenant} if tenant else {}
    connection = http.client.HTTPConnection(server.address.reachable, server.address.http_port, timeout=TIMEOUT_S)
    with closing(connection):
        path = "/v2/models/qwen3_tts/generate_stream"
        connection.request("POST", path, json.dumps({**body, **named}).encode(), JSON)
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                told = json.loads(line.removeprefix(b"data: "))
                if "error" in told:
                    raise Refused(told["error"])
                yield json.loads(told["EVENT"])


def events_over_grpc(server: Any, tenant: str | None, text: str = "", audio: bytes = b"", **options: Any) -> Any:
    """The same, through the SDK's transport."""
    tensors = {"TEXT": text.encode(), "OPTIONS": json.dumps(options).encode(), "REF_AUDIO": audio}
    with Client(server.address.grpc, tenant=tenant) as client:
        job = StreamJob("qwen3_tts", tensors, lambda answer: answer.json("EVENT"), lambda events, ending: events)
        with client._transport.open(job) as stream:
            try:
                yield from stream
            except QwenError as error:
                raise Refused(error.message) from None


both_ways = pytest.mark.parametrize("events", [events_over_grpc, events_over_http], ids=["gRPC", "HTTP"])


def seconds_spoken(events: Any) -> float:
    return max((one["frames"] for one in events if one["type"] == "audio"), default=0) * 0.08


@both_ways
def test_texts_of_the_same_name_never_mix(server, events):
    name, long = f"answer-{next(IDS)}", "Good morning everyone. The meeting starts at nine o'clock tomorrow."
    alone = {text: seconds_spoken(events(server, None, text)) for text in ("Hello.", long)}
    assert alone["Hello."] < alone[long]
    mine, theirs = (events(server, tenant, text_stream=name) for tenant in (None, "ben"))
    tokens = {}
    for tenant, stream in ((None, mine), ("ben", theirs)):
        first = next(stream)
        assert (first["index"], first["type"], first["text_stream"]) == (0, "text_stream", name)
        tokens[tenant] = first["token"]
    with pytest.raises(Refused, match=f"text stream '{name}' is open already"):
        list(events(server, None, text_stream=name))
    more = {"action": "add_text", "text_stream": name, "text_complete": True}
    for tenant, token in ((None, None), (None, "guess"), (None, tokens["ben"]), ("ben", tokens[None])):
        given = {} if token is None else {"token": token}
        with pytest.raises(Refused, match=rf"OPTIONS\.token opens no text stream '{name}'"):
            list(events(server, tenant, "Not mine.", **more, **given))
    list(events(server, None, "Hello.", **more, token=tokens[None]))
    list(events(server, "ben", long, **more, token=tokens["ben"]))
    assert seconds_spoken(mine) == pytest.approx(alone["Hello."])
    assert seconds_spoken(theirs) == pytest.approx(alone[long])


# --- voices -------------------------------------------------------------------------------------------------------


@both_ways
def test_voices_are_their_tenant_s(server, audio, events):
    recording = (audio / "message.wav").read_bytes()
    kept = {"voice": "shared-name", "consent": "made by espeak-ng", "reference_text": "our secret plan"}
    added = next(events(server, "anna", audio=recording, action="add_voice", **kept))
    try:
        assert (added["added"]["name"], added["added"]["in_context"]) == ("shared-name", True)
        listed = {}
        for tenant in ("anna", "ben", None):
            listed[tenant] = next(events(server, tenant, action="list_voices"))
            assert "ava" in listed[tenant]["speakers"]
            assert "secret" not in json.dumps(listed[tenant])
        assert [one["name"] for one in listed["anna"]["voices"]] == ["shared-name"]
        assert all(one["name"] != "shared-name" for one in [*listed["ben"]["voices"], *listed[None]["voices"]])
        for tenant in ("ben", None):
            with pytest.raises(Refused, match=r"OPTIONS\.voice is 'shared-name'; allowed: ava"):
                list(events(server, tenant, "Hello.", voice="shared-name"))
            with pytest.raises(Refused, match="no such stored voice"):
                list(events(server, tenant, action="remove_voice", voice="shared-name"))
        assert seconds_spoken(events(server, "anna", "Hello.", voice="shared-name")) > 0
    finally:
        list(events(server, "anna", action="remove_voice", voice="shared-name"))


def test_chains_speak_for_their_tenant(server, ben, audio):
    with Client(server.address.grpc, tenant="anna") as anna:
        anna.voices.add("greta", audio / "message.wav", consent="made by espeak-ng")
        try:
            assert anna.chains.voice_chat(text="Hello everyone.", voice="greta").result().spoken
            with pytest.raises(ChainFailed, match="'greta'; allowed"):
                ben.chains.voice_chat(text="Hello everyone.", voice="greta").result()
            node = {"model": "qwen3_tts", "inputs": {"TEXT": "Hello."}, "options": {"voice": "greta"}}
            inner = {"nodes": {"said": node}, "outputs": {"said": "$said.AUDIO"}}
            given = {"type": "json", "default": inner}
            nested = {"model": "workflow", "inputs": {"WORKFLOW": "$inputs.inner"}}
            outer = {"inputs": {"inner": given}, "nodes": {"inner": nested}, "outputs": {"said": "$inner.said"}}
            assert anna.chains.run(outer).outputs["said"]
            with pytest.raises(ChainFailed, match="'greta'; allowed"):
                ben.chains.run(outer)
        finally:
            anna.voices.remove("greta")


@both_ways
def test_what_is_cloned_without_being_kept_needs_consent(server, audio, events):
    recording = (audio / "message.wav").read_bytes()
    with pytest.raises(Refused, match=r"OPTIONS\.consent is empty; note who allowed the use of the voice in REF_AUDIO"):
        list(events(server, "anna", "Hello.", recording))
    told = list(events(server, "anna", "Hello.", recording, consent="made by espeak-ng"))
    assert next(one["consent"] for one in told if one["type"] == "audio") == "made by espeak-ng"
    lines = [line.split("AUDIT ")[1] for line in server.log_file.read_text().splitlines() if "AUDIT" in line]
    audited = [json.loads(line) for line in lines]
    assert {"tenant": "anna", "voice": None, "consent": "made by espeak-ng"}.items() <= audited[-1].items()
    assert audited[-1]["action"] == "voice_cloned"


# --- who is asked -------------------------------------------------------------------------------------------------


def test_a_tenant_named_twice_is_refused(server):
    """Whatever stands first: a gateway's header must not lose against what the caller sends."""
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1, 1], "data": [text]}
        for name, text in (("AUDIO", ""), ("OPTIONS", "{}"))
    ]
    for parameter in ("qwen-tenant", "Qwen-Tenant"):
        step = {"sequence_id": next(IDS), "sequence_start": True, "sequence_end": True}
        body = {"inputs": inputs, "parameters": {parameter: "ben", **step}}
        with pytest.raises(Refused, match="qwen-tenant is given 2 times"):
            infer(server, CAPTIONS, body, "anna")
        assert infer(server, CAPTIONS, {**body, "parameters": {parameter: "anna", **step}}, "anna")


@pytest.mark.parametrize("tenant", ["Anna", "../anna", "a" * 65])
def test_a_tenant_that_is_no_name_is_refused(door, tenant):
    with pytest.raises(Refused, match=r"qwen-tenant is '.*': use up to 64 of a-z"):
        caption(door, next(IDS), tenant=tenant, sequence_start=True)


def test_members_of_ensembles_know_the_tenant(server, audio, monkeypatch):
    recording = b64encode((audio / "message.wav").read_bytes()).decode()
    base64 = json.dumps({"input_encoding": "base64"})
    tensors = {"AUDIO": recording, "ASR_OPTIONS": base64, "ALIGN_OPTIONS": base64}
    inputs = [{"name": name, "datatype": "BYTES", "shape": [1, 1], "data": [text]} for name, text in tensors.items()]
    assert infer(server, "aligned_transcript", {"inputs": inputs}, "anna")["TEXT"]
    with pytest.raises(Refused, match=r"in ensemble .* qwen-tenant is 'No name'"):
        infer(server, "aligned_transcript", {"inputs": inputs}, "No name")
    with Client(server.address.grpc, tenant="anna") as client:
        assert client.chains.spoken_image(audio / "request.wav").heard
        monkeypatch.setattr(CallOptions, "headers", (("qwen-tenant", "No name"),))
        for call in (client.chains.spoken_image, client.chains.aligned_transcript, client.asr.transcribe):
            with pytest.raises(InvalidRequest, match="qwen-tenant is 'No name'"):
                call(audio / "request.wav")


def test_where_a_tenant_is_required_nobody_is_the_default(tmp_path):
    """Also where Triton loses the header, and whoever names the default has a share like others."""
    profile = tmp_path / "required.toml"
    profile.write_text("[tenants]\nrequired = true\n[chart_image]\n[chains]\n")
    chart = json.dumps({"type": "bar", "categories": ["Monday"], "series": [{"name": "Anna", "values": [3]}]})
    body = {"CHART": chart, "OPTIONS": json.dumps({"output_encoding": "base64"})}
    graph = {"nodes": {"drawn": {"model": "chart_image", "inputs": {"CHART": json.loads(chart)}}}, "outputs": {}}
    with TritonProcess(load_profile(str(profile)), Address.free()) as server:
        server.wait_ready()
        for headers in ({}, {"qwen-tenant": "anna"}):
            status, answer = ask(server, "chart_image/generate", body, headers)
            assert (status, "the header qwen-tenant is missing" in answer) == (400, True)
        assert ask(server, "chart_image/generate", {**body, "qwen-tenant": "anna"})[0] == 200
        calls = (lambda client: client.charts.bars({"a": [1]}, ["Monday"]), lambda client: client.chains.run(graph))
        with Client(server.address.grpc) as nobody, Client(server.address.grpc, tenant="anna") as anna:
            for call in calls:
                assert call(anna)
                with pytest.raises(InvalidRequest, match="the header qwen-tenant is missing"):
                    call(nobody)
