"""Bad input: the right status, a message that says what is allowed, and nobody else is hurt."""

import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import soundfile
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client import InvalidRequest
from qwen_client.channels import DIRECT

RATE_HZ = 16000
TRACES = re.compile(r"Traceback|File \"|\.py|/home|/root|/tmp|site-packages|Error\b")


def wav(samples: np.ndarray, rate_hz: int = RATE_HZ, form: str = "WAV", **kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=form, **kind)
    return file.getvalue()


def tone(duration_s: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(np.arange(int(RATE_HZ * duration_s)) * 0.2)).astype(np.float32)


def not_a_number() -> np.ndarray:
    samples = tone()
    samples[5] = np.nan
    return samples


BAD_AUDIO = {
    "empty": (b"", "AUDIO is empty"),
    "text": (b"Please transcribe this sentence for me. " * 20, "cannot be read as audio.*WAV, FLAC"),
    "random bytes": (np.random.default_rng(0).bytes(20_000), "cannot be read as audio"),
    "header only": (wav(tone())[:20], "damaged WAV header"),
    "no samples": (wav(tone(0)), "no samples"),
    "NaN": (wav(not_a_number(), subtype="FLOAT"), "NaN or infinite"),
    "16-bit values as floats": (
        wav(tone() * 32768, subtype="FLOAT"),
        "full scale is 1, and the limit 100; divide 16-bit",
    ),
    "beyond reason": (wav(tone() * 1e18, subtype="FLOAT"), "has a sample of 3e.17, but full scale is 1"),
    "three hours": (wav(np.zeros(3 * 3600 * 8000, np.int16), 8000, subtype="PCM_U8"), "limit of 1200 s"),
    "three hours, compressed": (wav(np.zeros(3 * 3600 * 8000, np.int16), 8000, "FLAC"), "limit of 1200 s"),
}


def refused(call, message: str) -> None:
    """`call` fails as the caller's mistake, with `message` and no inner detail."""
    with pytest.raises(InvalidRequest, match=message) as caught:
        call()
    assert caught.value.request_id
    assert not TRACES.search(str(caught.value)), str(caught.value)


@pytest.fixture(autouse=True)
def _the_next_good_request_works(client, audio) -> Iterator[None]:
    yield
    assert client.asr.transcribe(audio / "message.wav").text == (audio / "message.txt").read_text().strip()


@pytest.mark.parametrize("case", BAD_AUDIO)
def test_audio_that_is_none(client, case):
    data, message = BAD_AUDIO[case]
    refused(lambda: client.asr.transcribe(data), message)


def test_batch_mates_of_bad_audio_are_unharmed(client, audio):
    good = (audio / "request.wav").read_bytes()
    files = [good, b"", good, b"nonsense" * 100, good, wav(not_a_number(), subtype="FLOAT"), good, good]

    def heard(data: bytes) -> str:
        try:
            return client.asr.transcribe(data).text
        except InvalidRequest:
            return "refused"

    with ThreadPoolExecutor(len(files)) as pool:
        answers = list(pool.map(heard, files))
    expected = (audio / "request.txt").read_text().strip()
    assert answers == [expected if data is good else "refused" for data in files]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 96000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT"])
def test_unusual_wav_works(client, audio, rate_hz, subtype):
    """From 16 kHz on the words survive; the demo checkpoint was not trained on telephone sound."""
    import soxr

    samples, original_hz = soundfile.read(audio / "message.wav", dtype="float32")
    stereo = np.repeat(soxr.resample(samples, original_hz, rate_hz)[:, None], 2, axis=1)
    heard = client.asr.transcribe(wav(stereo, rate_hz, subtype=subtype))
    assert heard.language == "English"
    assert heard.duration_s == pytest.approx(len(samples) / original_hz, abs=0.01)
    if rate_hz >= 16000:
        said = set((audio / "message.txt").read_text().lower().split())
        assert len(said & set(heard.text.lower().split())) >= 0.6 * len(said), heard.text


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3"])
def test_compressed_audio_works(client, audio, form):
    samples, rate_hz = soundfile.read(audio / "message.wav", dtype="float32")
    assert client.asr.transcribe(wav(samples, rate_hz, form)).text == (audio / "message.txt").read_text().strip()


def test_m4a_works(client, audio):
    import av

    samples, rate_hz = soundfile.read(audio / "message.wav", dtype="int16")
    file = io.BytesIO()
    with av.open(file, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=rate_hz)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert client.asr.transcribe(file.getvalue()).text == (audio / "message.txt").read_text().strip()


LONG = "words " * 20_000
BAD_VALUES = [
    (lambda client: client.tts.synthesize(""), "TEXT is empty"),
    (lambda client: client.tts.synthesize(" \n\t"), "TEXT is empty"),
    (lambda client: client.tts.synthesize(LONG), "TEXT has 120000 characters; the limit is 4000"),
    (lambda client: client.tts.synthesize("Hi.", voice="nobody"), r"OPTIONS\.voice is 'nobody'; allowed: \w+, \w+"),
    (
        lambda client: client.tts.synthesize("Hi.", language="klingon"),
        r"OPTIONS\.language.*allowed: auto, Chinese \(zh\), English",
    ),
    (
        lambda client: client.tts.synthesize("Hi.", temperature=-1.0),
        r"OPTIONS\.temperature.*greater than or equal to 0",
    ),
    (
        lambda client: client.tts.synthesize("Hi.", reference=wav(tone() * 1e18, subtype="FLOAT")),
        "^REF_AUDIO has a sample of 3e.17, but full scale is 1",
    ),
    (
        lambda client: client.voices.add("loud", wav(tone() * 1e18, subtype="FLOAT"), consent="me"),
        "^REF_AUDIO has a sample of 3e.17, but full scale is 1",
    ),
    (lambda client: client.image.generate(""), "PROMPT is empty"),
    (lambda client: client.image.generate(LONG), "PROMPT has 120000 characters; the limit is 4000"),
    (lambda client: client.image.generate("star", size=(0, 64)), r"OPTIONS\.width is 0.*equal to 16"),
    (lambda client: client.image.generate("star", size=(64, -64)), r"OPTIONS\.height is -64"),
    (lambda client: client.image.generate("star", size=(100, 64)), r"OPTIONS\.width is 100; allowed: multiples of 16"),
    (lambda client: client.image.generate("star", size=16_000), "256000000 pixels; the limit is 65536"),
    (lambda client: client.image.generate("star", steps=0), r"OPTIONS\.steps is 0.*greater than or equal to 1"),
    (lambda client: client.image.generate("star", steps=10**6), r"OPTIONS\.steps is 1000000; allowed: 2 to 50"),
    (lambda client: client.asr.transcribe(wav(tone()), language="Klingon"), "'Klingon'; allowed: auto, Arabic"),
    (lambda client: client.chains.aligned_transcript(b"no audio"), "^AUDIO cannot be read as audio"),
    (lambda client: client.chains.spoken_image(b"no audio"), "^AUDIO cannot be read as audio"),
]


@pytest.mark.parametrize(("call", "message"), BAD_VALUES)
def test_values_that_are_not_allowed(client, call, message):
    refused(lambda: call(client), message)


@pytest.fixture
def stub(server) -> Iterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def tensor(name: str, *items: bytes, datatype: str = "BYTES", shape: list[int] | None = None):
    contents = service_pb2.InferTensorContents(bytes_contents=items)
    return service_pb2.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=shape or [len(items), 1], contents=contents
    )


def request(model: str, *inputs) -> service_pb2.ModelInferRequest:
    return service_pb2.ModelInferRequest(model_name=model, inputs=inputs)


def status_of(call) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert not TRACES.search(caught.value.details()), caught.value.details()
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("options", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"language": 3}', b'{"speed": 2}'])
def test_options_that_are_wrong(stub, options):
    call = request("qwen3_asr", tensor("AUDIO", wav(tone())), tensor("OPTIONS", options))
    code, message = status_of(lambda: stub.ModelInfer(call, timeout=60))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "OPTIONS" in message


def test_an_unknown_option_names_the_known_ones(stub):
    call = request("qwen3_asr", tensor("AUDIO", wav(tone())), tensor("OPTIONS", json.dumps({"speed": 2}).encode()))
    message = status_of(lambda: stub.ModelInfer(call, timeout=60))[1]
    allowed = message.partition("OPTIONS.speed is unknown; allowed: ")[2].split(", ")
    assert {"input_encoding", "language", "return", "timestamps"} <= set(allowed)


@pytest.mark.parametrize(
    "inputs",
    [
        [tensor("AUDIO", b"x")],
        [tensor("SOUND", b"x"), tensor("OPTIONS", b"{}")],
        [tensor("AUDIO", b"x"), tensor("OPTIONS", b"{}"), tensor("MORE", b"x")],
        [tensor("AUDIO", b"x", shape=[1]), tensor("OPTIONS", b"{}", shape=[1])],
        [tensor("AUDIO", b"x", b"y"), tensor("OPTIONS", b"{}", b"{}")],
    ],
    ids=["missing", "misnamed", "one too many", "wrong shape", "two items"],
)
def test_tensors_that_do_not_fit(stub, inputs):
    code, _ = status_of(lambda: stub.ModelInfer(request("qwen3_asr", *inputs), timeout=60))
    assert code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_tensor_of_another_type(stub):
    numbers = service_pb2.ModelInferRequest.InferInputTensor(
        name="AUDIO",
        datatype="FP32",
        shape=[1, 1],
        contents=service_pb2.InferTensorContents(fp32_contents=[1.0]),
    )
    call = request("qwen3_asr", numbers, tensor("OPTIONS", b"{}"))
    assert status_of(lambda: stub.ModelInfer(call, timeout=60))[0] == grpc.StatusCode.INVALID_ARGUMENT


def latin_1(server, model: str, body: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """As programs send it that know of no UTF-8."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    status, answer = server.address.ask(f"/v2/models/{model}", body.encode("latin-1"), sent, timeout_s=60)
    return status, answer.decode()


def tensors(*names: str) -> str:
    told = [{"name": name, "datatype": "BYTES", "shape": [1, 1], "data": ["{}"]} for name in names]
    return f'"inputs": {json.dumps(told)}'


CHART, CAPTIONS = tensors("CHART", "OPTIONS"), tensors("AUDIO", "OPTIONS")


@pytest.mark.parametrize(
    ("model", "body", "headers", "told"),
    [
        ("chart_image/infer", f"{{{CHART}}}", {"qwen-tenant": "é"}, "a header or parameter of the request"),
        ("chart_image/infer", f"{{{CHART}}}", {"traceparent": "é"}, "a header or parameter of the request"),
        ("chart_image/infer", f'{{"parameters": {{"é": 1}}, {CHART}}}', {}, "a header or parameter of the request"),
        ("chart_image/infer", f'{{"id": "é", {CHART}}}', {}, "the id of the request"),
        ("workflow/generate", '{"id": "é", "WORKFLOW": "", "OPTIONS": ""}', {}, "a header or parameter of the request"),
        ("workflow/generate", '{"x": "é", "WORKFLOW": "", "OPTIONS": ""}', {}, "a header or parameter of the request"),
        (
            "qwen3_asr_stream/infer",
            f'{{"parameters": {{"sequence_id": "é", "sequence_start": true}}, {CAPTIONS}}}',
            {},
            "the sequence_id of the request",
        ),
    ],
)
def test_what_is_told_of_a_request_is_utf_8(server, model, body, headers, told):
    status, answer = latin_1(server, model, body, headers)
    assert (status, f"INVALID_ARGUMENT: {told} is not UTF-8" in answer) == (400, True), answer
