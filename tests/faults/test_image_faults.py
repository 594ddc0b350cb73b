"""Pictures that cannot be drawn are refused by name; whatever callers do, the next request's pixels are the same."""

import io
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tritonclient.grpc import service_pb2, service_pb2_grpc

from qwen_client import Client, InvalidRequest, Picture, Progress
from qwen_client.channels import DIRECT

PROMPT = "A small yellow star on a blue background."
STEPS = 4
INNER_DETAIL = re.compile(r"Traceback|File \"|\.py|/home|/root|/tmp|/work|site-packages|Error\b")


def drawn(client: Client) -> np.ndarray:
    return np.asarray(client.image.generate(PROMPT, steps=STEPS, seed=3).image)


@pytest.fixture(scope="module")
def expected(server) -> np.ndarray:
    with Client(server.address.grpc) as client:
        return drawn(client)


@pytest.fixture(autouse=True)
def _the_next_request_has_the_same_pixels(client, expected) -> Iterator[None]:
    yield
    np.testing.assert_array_equal(drawn(client), expected)


def encoded(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def plain(width: int = 64, height: int = 64, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), "white")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few thousand bytes that would be gigabytes of zeros."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1_000_000), 9))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 100_000_000, zip=True)
    return encoded(plain(), pnginfo=text)


def broken(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 0xFF
    return bytes(changed)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
BAD_PICTURES = {
    "nothing": (b"", "IMAGE is empty|IMAGE needs|needs a picture"),
    "text": (b"a red circle " * 50, "IMAGE cannot be read as a picture; send a PNG, JPEG or WebP file"),
    "another format": (encoded(plain(), "GIF"), "IMAGE cannot be read as a picture"),
    "broken PNG": (broken(encoded(NOISE)), "IMAGE cannot be read as a picture"),
    "cut PNG": (encoded(NOISE)[:-500], "IMAGE (cannot be read|is damaged or cut short)"),
    "cut JPEG": (encoded(NOISE, "JPEG")[:-500], "IMAGE is damaged or cut short"),
    "cut WebP": (encoded(NOISE, "WEBP")[:-100], "IMAGE (cannot be read|is damaged or cut short)"),
    "50 megapixels": (encoded(plain(10_000, 5_000, "1")), "10000 x 5000 = 50000000 pixels; the limit is 16777216"),
    "50 megapixels of WebP": (encoded(plain(10_000, 5_000), "WEBP"), "50000000 pixels; the limit is 16777216"),
    "a bomb": (bomb(60_000, 60_000), "IMAGE has far more than 16777216 pixels"),
    "a smaller bomb": (bomb(10_000, 10_000), "100000000 pixels"),
    "a line": (encoded(plain(3000, 7)), "IMAGE has 3000 x 7 pixels; one side may be 50 times the other at most"),
    "an animation": (encoded(plain(), "WEBP", save_all=True, append_images=[NOISE]), "IMAGE is an animation"),
}


def refused(call, message: str) -> None:
    """`call` fails as the caller's mistake, with `message` and no inner detail."""
    with pytest.raises(InvalidRequest, match=message) as caught:
        call()
    assert caught.value.request_id
    assert not INNER_DETAIL.search(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_pictures_that_are_none(client, case):
    data, message = BAD_PICTURES[case]
    refused(lambda: client.image.vary(data, PROMPT), message)
    if data:
        refused(lambda: client.image.inpaint(plain(), data, PROMPT), message.replace("IMAGE", "MASK"))


def test_texts_beside_a_picture_are_not_unpacked(client):
    assert client.image.vary(text_bomb(), PROMPT, steps=2).image.size == (64, 64)


WHITE = encoded(plain())
BAD_REQUESTS = [
    (lambda image: image.inpaint(plain(), plain(32, 64), PROMPT), "MASK has 32 x 64 pixels, its picture 64 x 64"),
    (lambda image: image.inpaint(plain(), None, PROMPT), "MASK is empty and IMAGE has no transparent parts"),
    (lambda image: image.generate(PROMPT, mask=plain()), "MASK is given without IMAGE"),
    (lambda image: image.generate(PROMPT, images=plain(), task="generate"), "OPTIONS.task is 'generate'"),
    (lambda image: image.generate(PROMPT, task="vary"), "IMAGE is empty"),
    (lambda image: image.generate(PROMPT, task="inpaint"), "IMAGE is empty"),
    (lambda image: image.edit([WHITE] * 4, PROMPT), "IMAGE holds 4 pictures; the limit is 3"),
    (lambda image: image.vary([WHITE] * 2, PROMPT), "IMAGE holds 2 pictures"),
    (lambda image: image.edit([WHITE, b""], PROMPT), r"IMAGE\[1\] is empty"),
    (lambda image: image.generate(PROMPT, size=(100, 64)), "OPTIONS.width is 100; allowed: multiples of 16"),
    (lambda image: image.generate(PROMPT, size=(64, 8)), "OPTIONS.height is 8"),
    (lambda image: image.generate(PROMPT, size=1024), "1048576 pixels; the limit is 65536"),
    (lambda image: image.generate(PROMPT, size="2:1"), "OPTIONS.aspect is .2:1.*'16:9' or '9:16'"),
    (lambda image: image.vary(WHITE, PROMPT, strength=0.0), "OPTIONS.strength is 0"),
    (lambda image: image.vary(WHITE, PROMPT, strength=1.1), r"OPTIONS.strength is 1\.1.*less than or equal to 1"),
    (lambda image: image.generate(PROMPT, strength=0.5), "OPTIONS.strength is 0.5"),
    (lambda image: image.generate(PROMPT, n=0), "OPTIONS.n is 0"),
    (lambda image: image.generate(PROMPT, n=1000), "OPTIONS.n is 1000; allowed: 1 to"),
    (lambda image: image.generate(PROMPT, steps=51), "OPTIONS.steps is 51; allowed: 2 to 50"),
    (lambda image: image.generate("a red circle " * 300), "PROMPT takes .* tokens.*; the limit is 512"),
    (
        lambda image: image.generate(PROMPT, negative_prompt="a red circle " * 300, true_cfg_scale=2.0),
        "negative_prompt",
    ),
    (lambda image: image.generate(" \n"), "PROMPT is empty"),
    (lambda image: image.generate(PROMPT, style="rococo"), "OPTIONS.style is 'rococo'; allowed: photorealistic, "),
    (lambda image: image.generate(PROMPT, preset="instant"), "OPTIONS.preset"),
    (lambda image: image.generate(PROMPT, format="gif"), "OPTIONS.format is .gif.*'png', 'webp' or 'jpeg'"),
    (lambda image: image.generate(PROMPT, quality=50), "OPTIONS.quality is 50, but OPTIONS.format is 'png'"),
    (lambda image: image.generate(PROMPT, format="jpeg", quality=101), "OPTIONS.quality is 101"),
    (lambda image: image.generate(PROMPT, preview_every=0), "OPTIONS.preview_every is 0"),
    (lambda image: image.generate(PROMPT, seed=-1), "OPTIONS.seed is -1"),
]


@pytest.mark.parametrize(("call", "message"), BAD_REQUESTS)
def test_requests_that_cannot_be_served(client, call, message):
    refused(lambda: call(client.image), message)


@pytest.mark.parametrize(
    "name", ["ink", "../image/transformer", "..", ".", "/etc/passwd", "a/b", "a\\b", "ink\0", "", "ink\n", "x" * 200]
)
def test_loras_that_are_not_there_and_ways_out_of_their_folder(client, name):
    refused(lambda: client.image.generate(PROMPT, lora=name), "OPTIONS.lora is ")


def test_a_bad_picture_among_good_requests_harms_none(client, expected):
    def draw(data: bytes | None) -> str:
        try:
            picture = client.image.generate(PROMPT, steps=STEPS, seed=3, images=data)
        except InvalidRequest:
            return "refused"
        assert np.abs(np.asarray(picture.image).astype(int) - expected.astype(int)).max() <= 1
        return "drawn"

    sent = [None, b"nothing", None, bomb(60_000, 60_000), None, broken(encoded(NOISE)), None]
    with ThreadPoolExecutor(len(sent)) as pool:
        assert list(pool.map(draw, sent)) == ["drawn" if data is None else "refused" for data in sent]


@pytest.mark.parametrize("num_steps", [0, 1, 7])
def test_cancelled_requests_leave_no_trace(client, num_steps):
    """Cancelled in the queue or before the first step (0), after it, in mid-run; with several pictures each."""
    for _ in range(8):
        with client.image.stream(PROMPT, steps=50, n=2) as stream:
            seen = 0
            while seen < num_steps:
                seen += isinstance(next(stream), Progress)


def test_a_cancel_after_the_last_step_is_harmless(client):
    for _ in range(4):
        with client.image.stream(PROMPT, steps=2) as stream:
            while not isinstance(next(stream), Picture):
                pass


def test_a_client_that_vanishes(server):
    script = (
        "import sys\n"
        "from qwen_client import Client\n"
        "stream = Client(sys.argv[1]).image.stream('a red ring', steps=50, n=4)\n"
        "next(stream)\n"
        "print('begun', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, server.address.grpc], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.kill()
    process.communicate(timeout=30)


def tensor(name: str, items: list[bytes], shape: list[int]) -> service_pb2.ModelInferRequest.InferInputTensor:
    contents = service_pb2.InferTensorContents(bytes_contents=items)
    return service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype="BYTES", shape=shape, contents=contents)


@pytest.mark.parametrize(
    ("images", "shape", "message"),
    [
        ([WHITE] * 2, [2, 1], "batch size does not match other inputs"),
        ([WHITE] * 4, [1, 4], "IMAGE holds 4 pictures; the limit is 3"),
        ([WHITE], [1], "IMAGE"),
        ([b""], [1, 1], ""),
        ([], [1, 0], ""),
    ],
    ids=["two requests", "too many", "no batch", "empty", "none"],
)
def test_tensors_of_pictures(server, images, shape, message):
    inputs = [tensor("PROMPT", [PROMPT.encode()], [1, 1]), tensor("OPTIONS", [b'{"steps": 2}'], [1, 1])]
    call = service_pb2.ModelInferRequest(model_name="qwen_image", inputs=[*inputs, tensor("IMAGE", images, shape)])
    with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answers = list(stub.ModelStreamInfer(iter([call]), timeout=60))
    if message:
        [refusal] = answers
        assert message in refusal.error_message
    else:
        assert not any(answer.error_message for answer in answers)
