"""Decoders that hang or die harm the file they had, and nobody else."""

import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from qwen_client import InvalidRequest
from tests.waiting import until

WORKER = "qwen_media.worker"


def decoders_of(server, model: str) -> list[psutil.Process]:
    """The decoder processes of a model's stub."""
    return [process for process in psutil.Process(server.pid).children(recursive=True) if decodes_for(process, model)]


def decodes_for(process: psutil.Process, model: str) -> bool:
    try:
        owner = process.parent()
        return WORKER in process.cmdline() and owner is not None and any(model in part for part in owner.cmdline())
    except psutil.NoSuchProcess:  # one that ended meanwhile, or that nobody has asked after since
        return False


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def said(audio) -> str:
    return (audio / "message.txt").read_text().strip()


def test_a_decoder_that_hangs_costs_one_file_and_blocks_nobody(server, client, audio, said):
    hangs = decoders_of(server, "qwen3_asr/")[0]
    hangs.send_signal(signal.SIGSTOP)

    def outcome(_: int) -> str:
        try:
            return client.asr.transcribe(audio / "message.wav").text
        except InvalidRequest as refusal:
            return str(refusal)

    with ThreadPoolExecutor(8) as callers:
        outcomes = list(callers.map(outcome, range(24)))
    [refusal] = [text for text in outcomes if text != said]
    assert refusal.startswith("AUDIO takes more than")
    assert not psutil.pid_exists(hangs.pid)
    assert client.asr.transcribe(audio / "message.wav").text == said


@pytest.mark.parametrize("model", ["qwen3_asr/", "qwen3_aligner/", "qwen3_tts/", "qwen_image/", "qwen3_vl/"])
def test_decoders_that_were_killed_come_back(server, client, audio, said, model):
    before = decoders_of(server, model)
    assert len(before) == 2
    for process in before:
        process.kill()
    until(lambda: all(map(has_ended, before)))
    match model:
        case "qwen3_asr/":
            assert client.asr.transcribe(audio / "message.wav").text == said
        case "qwen3_aligner/":
            assert len(client.asr.align(audio / "message.wav", said).words) == len(said.split())
        case "qwen3_tts/":
            reference = {"reference": audio / "message.wav", "consent": "made by espeak-ng"}
            assert client.tts.synthesize("Good morning.", **reference).samples.any()
        case "qwen_image/":
            square = client.image.generate("a large black square on a red background")
            assert client.image.edit(square, "make the square green", steps=2).width == square.width
        case _:
            assert client.vision.describe(Image.new("RGB", (64, 64), "red")).text
