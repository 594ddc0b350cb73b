"""`qwen demo`: draws a spoken request, answers a spoken message with speech, and calls the gateway as OpenAI's API."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from qwen_client import Client
from qwen_server.address import free_port
from qwen_server.gateway_process import GatewayProcess
from qwen_server.home import project_file
from qwen_server.profiles import Profile, load_profile
from qwen_server.triton_process import Address, TritonProcess

ResultT = TypeVar("ResultT")
SEED = 0
SENTENCE = "Good morning everyone."
console = Console(stderr=True)


@dataclass(frozen=True)
class Step:
    """One line of the table: what went in, what came out, how long it took, who did it."""

    step: str
    given: str
    made: str
    latency_s: float
    checkpoint: str


def run_demo(profile_name: str, out: Path, *, as_json: bool) -> None:
    """Start a server, take every step, write `out`/picture.png and `out`/reply.wav, stop the server."""
    profile = load_profile(profile_name)
    out.mkdir(parents=True, exist_ok=True)
    with TritonProcess(profile, Address.free()) as server, console.status("starting Triton and loading the models"):
        server.wait_ready()
        with GatewayProcess.beside(server, free_port()) as gateway, Client(server.address.grpc) as client:
            gateway.wait_ready()
            steps = [*_steps(client, profile, project_file("demo/audio"), out), _openai_step(gateway.url, profile)]
    if as_json:
        print(json.dumps([asdict(step) for step in steps], indent=2))
    else:
        print_steps(steps)


def _steps(client: Client, profile: Profile, audio: Path, out: Path) -> Iterator[Step]:
    checkpoint = {name: _checkpoint(profile, name) for name in profile.models}
    request, message = audio / "request.wav", audio / "message.wav"
    picture_file, reply_file = out / "picture.png", out / "reply.wav"

    spoken, latency_s = _timed(lambda: client.chains.spoken_image(request, seed=SEED))
    spoken.picture.save(picture_file)
    both = f"{checkpoint['qwen3_asr']}, {checkpoint['qwen_image']}"
    yield Step("speech → text → picture", request.name, f"“{spoken.heard}” → {picture_file}", latency_s, both)

    reply, latency_s = _timed(lambda: client.chains.voice_chat(message, seed=SEED).result())
    reply.save(reply_file)
    all_three = ", ".join(checkpoint[name] for name in ("qwen3_asr", "qwen3_chat", "qwen3_tts"))
    first_s = reply.times_s["first_audio_s"]
    given = f"{message.name}: “{reply.heard}”"
    made = f"“{reply.text}” → {reply_file}, first sound after {first_s:.2f} s"
    yield Step("speech → chat → speech", given, made, latency_s, all_three)

    again, latency_s = _timed(lambda: client.asr.transcribe(reply_file))
    yield Step("speech → text", reply_file.name, f"“{again.text}”", latency_s, checkpoint["qwen3_asr"])


def _openai_step(url: str, profile: Profile) -> Step:
    """OpenAI's client, of which only the base_url was changed, hears what it had spoken."""
    from openai import DefaultHttpxClient, OpenAI  # takes a second to load

    def speak_and_hear() -> str:
        direct = DefaultHttpxClient(trust_env=False)  # the environment's proxies know nothing of this machine
        with OpenAI(base_url=f"{url}/v1", api_key="none", http_client=direct) as client:
            spoken = client.audio.speech.create(
                model="tts-1", voice="alloy", input=SENTENCE, response_format="wav", extra_body={"seed": SEED}
            )
            file = ("spoken.wav", spoken.read())
            return client.audio.transcriptions.create(model="whisper-1", file=file).text

    heard, latency_s = _timed(speak_and_hear)
    both = f"{_checkpoint(profile, 'qwen3_tts')}, {_checkpoint(profile, 'qwen3_asr')}"
    return Step("text → speech → text, by OpenAI's client", f"“{SENTENCE}”", f"“{heard}”", latency_s, both)


def _checkpoint(profile: Profile, model: str) -> str:
    return next(iter(profile.models[model].checkpoints().values()), "")


def _timed(call: Callable[[], ResultT]) -> tuple[ResultT, float]:
    started_s = time.monotonic()
    return call(), round(time.monotonic() - started_s, 3)


def print_steps(steps: list[Step]) -> None:
    """A table that fits into 80 columns: names of checkpoints do not, so they have lines of their own."""
    console = Console()
    table = Table("step", "given", "made", "latency", title="what was recognised, drawn and answered")
    for step in steps:
        table.add_row(step.step, step.given, step.made, f"{step.latency_s:.2f} s")
    console.print(table)
    for step in steps:
        console.print(f"{step.step}: {step.checkpoint}", highlight=False, soft_wrap=True)
    if any("demo/checkpoints" in step.checkpoint for step in steps):
        console.print("demo checkpoints: small models with a closed vocabulary, trained on generated data")
