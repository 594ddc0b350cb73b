"""Locust's users, with the real SDK, on a scripted server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from client_scripts import SCRIPTS
from fake_triton import FakeTriton, Payloads, Refusal
from tritonclient.grpc import service_pb2

from perf.locust_quick import locust_command
from qwen_server.admin_key import AdminKey
from qwen_server.home import work_folder
from qwen_server.private_files import private_folder

HOME = Path(__file__).resolve().parents[2]
SETTINGS = {"checkpoint": f"{HOME}/demo/checkpoints/any", "device": "cpu"}


class FakeTritonWithSettings(FakeTriton):
    """Strict with its admin key."""

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        key = AdminKey.of_server(int(self.address.rpartition(":")[2]))
        assert key.grpc_metadata.items() <= dict(context.invocation_metadata()).items()
        response = service_pb2.ModelConfigResponse()
        response.config.parameters["settings"].string_value = json.dumps(SETTINGS)
        return response


def refuse(_: Payloads) -> Iterator[Payloads]:
    raise Refusal(grpc.StatusCode.UNAVAILABLE, "the queue is full (64 waiting); try again later")


def metrics_of_a_second(scripts: dict) -> tuple[int, dict[str, dict]]:
    """Locust's exit status, and its lines by metric."""
    with FakeTritonWithSettings(scripts) as triton:
        AdminKey().write(private_folder(work_folder(int(triton.address.rpartition(":")[2]))))
        done = subprocess.run(
            locust_command(triton.address, run_time_s=1),
            cwd=HOME,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, {line["metric"]: line for line in lines}


def test_all_users_are_served():
    status, metrics = metrics_of_a_second(dict(SCRIPTS))
    assert status == 0
    for name in ("qwen3_asr_complete", "qwen3_tts_first_audio", "qwen3_tts_complete", "qwen_image_complete"):
        assert metrics[f"{name}_per_s"]["value"] > 0
        assert metrics[f"{name}_p50_ms"]["detail"]["num_failures"] == 0
        assert metrics[f"{name}_p99_ms"]["detail"]["checkpoint"] == "demo/checkpoints/any"


def test_failures_are_counted_and_fail_the_run():
    status, metrics = metrics_of_a_second({**SCRIPTS, "qwen3_tts": refuse})
    assert status == 1
    assert metrics["qwen3_tts_complete_per_s"]["detail"]["num_failures"] > 0
    assert metrics["qwen3_asr_complete_per_s"]["detail"]["num_failures"] == 0
    assert "qwen3_tts_first_audio_per_s" not in metrics
