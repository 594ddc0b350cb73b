"""Every model understands a language however it is written; a budget that ends early is told, and never its prefix."""

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from PIL import Image
from tritonclient.grpc import service_pb2_grpc

from qwen_client import InvalidRequest
from qwen_client.channels import DIRECT
from qwen_client.messages import infer_request, read_answer

QWEN = Path(sys.prefix) / "bin" / "qwen"
ENGLISH = ["en", "EN ", "eng", "en_US", "English", "english", "en-GB"]
CHINESE = ["zh", "zh-CN", "zh_Hans", "cmn", "Chinese", "中文"]
SENTENCE = "Good morning."
UNKNOWN = r"'klingon'; allowed: auto, "


@pytest.mark.parametrize("language", ENGLISH)
def test_recognition_captions_and_alignment(client, audio, language):
    said = (audio / "message.txt").read_text().strip()
    heard = client.asr.transcribe(audio / "message.wav", language=language)
    assert (heard.text, heard.language) == (said, "English")
    aligned = client.chains.aligned_transcript(audio / "message.wav", language=language)
    assert (aligned.transcription.language, aligned.alignment.language) == ("English", "English")
    with client.asr.stream(language=language) as captions:
        captions.feed((audio / "message.wav").read_bytes()[44:])
        assert captions.finish().language == "English"


@pytest.mark.parametrize("language", CHINESE)
def test_speech_and_descriptions(client, language):
    kwargs = {"voice": "mei", "seed": 1, "temperature": 0.0, "max_audio_s": 1.0}
    spoken = client.tts.synthesize("你好。", language=language, **kwargs)
    named = client.tts.synthesize("你好。", language="chinese", **kwargs)
    assert (spoken.samples == named.samples).all()
    picture = Image.new("RGB", (64, 64), "blue")
    assert client.vision.describe(picture, language=language).question == "请描述这张图片。"


@pytest.mark.parametrize("language", [*ENGLISH, "zh-CN"])
def test_conversations_and_lessons(client, language):
    assert client.chains.voice_chat(text=SENTENCE, language=language, max_tokens=4, seed=1).result().text


def test_lessons_are_told_by_code(client):
    lesson = client.chains.courseware(
        "The task is done by Anna on Monday.", language="en-US", languages=["zh_CN", "eng"]
    )
    assert list(lesson.result().lessons) == ["en", "zh"]


def test_what_cannot_be_served_says_what_can(client, audio):
    calls = {
        "asr": lambda: client.asr.transcribe(audio / "message.wav", language="klingon"),
        "aligner": lambda: client.asr.align(audio / "message.wav", "Good", language="klingon"),
        "tts": lambda: client.tts.synthesize(SENTENCE, language="klingon"),
        "vision": lambda: client.vision.describe(Image.new("RGB", (64, 64)), language="klingon"),
        "voice_chat": lambda: client.chains.voice_chat(text=SENTENCE, language="klingon").result(),
        "captions": lambda: client.asr.stream(language="klingon").finish(),
    }
    for call in calls.values():
        with pytest.raises(InvalidRequest, match=UNKNOWN):
            call()
    with pytest.raises(InvalidRequest, match=r"'zh-HK'; allowed: auto, Chinese \(zh\), English \(en\)$"):
        client.tts.synthesize(SENTENCE, language="zh-HK")
    with pytest.raises(InvalidRequest, match=r"'th'; allowed: auto, Cantonese \(yue\)"):
        client.asr.align(audio / "message.wav", "Good", language="th")


def test_the_command_line(server, audio):
    command = [QWEN, "transcribe", audio / "message.wav", "--language", "en_US.UTF-8", "--json"]
    done = subprocess.run([*command, "--url", server.address.grpc], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["language"] == "English"


@pytest.mark.parametrize("budget", range(1, 9))
@pytest.mark.parametrize("language", [None, "en"])
def test_budgets_of_a_few_tokens(server, client, audio, budget, language):
    said = (audio / "message.txt").read_text()
    heard = client.asr.transcribe(audio / "message.wav", language=language, max_new_tokens=budget)
    assert heard.finish_reason == "length"
    assert said.startswith(heard.text)
    assert heard.language == ("English" if heard.text else None)
    inputs = {
        "AUDIO": (audio / "message.wav").read_bytes(),
        "ASR_OPTIONS": json.dumps({"max_new_tokens": budget, "language": language}).encode(),
        "ALIGN_OPTIONS": b"{}",
    }
    with grpc.insecure_channel(server.address.grpc, options=DIRECT) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        aligned = read_answer(stub.ModelInfer(infer_request("aligned_transcript", inputs, "1"), timeout=60), "1")
    assert aligned.text("TEXT") == heard.text
    assert aligned.json("TRANSCRIPT")["finish_reason"] == "length"
    assert " ".join(word["text"] for word in aligned.json("RESULT")["words"]) == heard.text
