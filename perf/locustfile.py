"""People at work, all models at once, through the SDK: `locust -f perf/locustfile.py --host 127.0.0.1:8001`.

Run it in the project's root. `make perf-locust` runs it for half a minute without the web page.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc.experimental.gevent
from locust import User, between, events, task

grpc.experimental.gevent.init_gevent()  # before the first channel: else one call would stop all users

from perf.inputs import payloads  # noqa: E402
from perf.report import circumstances, metric_line  # noqa: E402
from qwen_client import Client, QwenError  # noqa: E402

MS_PER_S = 1000
TIMEOUT_S = 120
SEED = 7
PERCENTILES = (0.5, 0.9, 0.99)


@dataclass
class Call:
    """A call under way. `num_bytes` of payload have come so far."""

    user: User
    model: str
    begin_s: float
    num_bytes: int = 0

    def report(self, what: str, error: Exception | None = None) -> None:
        """Count the time since the call began under the name "MODEL WHAT"."""
        self.user.environment.events.request.fire(
            request_type="grpc",
            name=f"{self.model} {what}",
            response_time=(time.perf_counter() - self.begin_s) * MS_PER_S,
            response_length=self.num_bytes,
            exception=error,
            context={},
        )


class Person(User):
    """Someone who asks, waits for the answer, and thinks for a moment."""

    abstract = True
    host = "127.0.0.1:8001"
    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.client = Client(self.host, timeout_s=TIMEOUT_S, retries=0)

    def on_stop(self) -> None:
        self.client.close()

    @contextmanager
    def calling(self, model: str) -> Iterator[Call]:
        """Time what happens inside; an error of the call is counted, and this person goes on."""
        call = Call(self, model, time.perf_counter())
        try:
            yield call
        except QwenError as error:
            call.report("complete", error)
        else:
            call.report("complete")


class Listener(Person):
    """Has recordings transcribed."""

    recordings = itertools.cycle(payloads("qwen3_asr", "AUDIO"))

    @task
    def transcribe(self) -> None:
        with self.calling("qwen3_asr") as call:
            call.num_bytes = len(self.client.asr.transcribe(next(self.recordings)).text)


class Speaker(Person):
    """Has sentences spoken, and listens from the first sound on."""

    sentences = itertools.cycle(payloads("qwen3_tts", "TEXT"))

    @task
    def speak(self) -> None:
        text = next(self.sentences).decode()
        with self.calling("qwen3_tts") as call, self.client.tts.stream(text, seed=SEED) as chunks:
            for chunk in chunks:
                call.num_bytes += chunk.samples.nbytes
                if chunk.index == 0:
                    call.report("first_audio")


class Painter(Person):
    """Has pictures drawn."""

    prompts = itertools.cycle(payloads("qwen_image", "PROMPT"))

    @task
    def draw(self) -> None:
        with self.calling("qwen_image") as call:
            call.num_bytes = len(self.client.image.generate(next(self.prompts).decode(), seed=SEED).png)


@events.quitting.add_listener
def print_metrics(environment: Any, **_: Any) -> None:
    """One line of JSON a metric, after locust's own table."""
    for entry in sorted(environment.stats.entries.values(), key=lambda entry: entry.name):
        model, what = entry.name.split()
        detail = {
            **circumstances(environment.host or Person.host, model),
            "users": environment.parsed_options.num_users,
            "num_requests": entry.num_requests,
            "num_failures": entry.num_failures,
        }
        print(metric_line("perf_locust", f"{model}_{what}_per_s", [entry.total_rps], detail))
        for share in PERCENTILES:
            milliseconds = entry.get_response_time_percentile(share)
            print(metric_line("perf_locust", f"{model}_{what}_p{share * 100:.0f}_ms", [milliseconds], detail))
