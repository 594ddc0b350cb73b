"""Requests that join and leave at any frame, driven step by step through the engine's seam."""

import random
from collections.abc import Sequence

import numpy as np

from qwen_engine.session import Session
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import Speak
from qwen_engine.tts.settings import TtsSettings
from tests.parity.official import CHECKPOINTS, Case, Spoken
from tests.recorder import Recorder

LATEST_ARRIVAL = 40
LATEST_CANCEL = 60
TOLERANCE = 1e-4


def make_engine(**settings: object) -> TtsEngine:
    """All three demo checkpoints."""
    return TtsEngine(
        TtsSettings(
            checkpoint=str(CHECKPOINTS / "tts"),
            base_checkpoint=str(CHECKPOINTS / "tts_base"),
            design_checkpoint=str(CHECKPOINTS / "tts_design"),
            temperature=0.0,
            max_positions=512,
            **settings,
        )
    )


def heard(sink: Recorder) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in sink.events)])


def drive(
    engine: TtsEngine, requests: Sequence[Speak], arrivals: Sequence[int], cancels: Sequence[int | None]
) -> list[Recorder]:
    """Step until all have ended; request i arrives at step arrivals[i] and is cancelled at step cancels[i]."""
    sinks = [Recorder() for _ in requests]
    sessions = [Session(engine.prepare(request), sink) for request, sink in zip(requests, sinks, strict=True)]
    live: list[Session[Speak]] = []
    step = 0
    while live or step <= max(arrivals):
        live += [session for session, arrival in zip(sessions, arrivals, strict=True) if arrival == step]
        for session, cancel in zip(sessions, cancels, strict=True):
            if cancel == step and session in live:
                session.finish("cancelled")
                engine.retire(session)
                live.remove(session)
        if live:
            engine.step(live)
        for session in [one for one in live if one.ended]:
            engine.retire(session)
            live.remove(session)
        step += 1
    return sinks


def check_schedule(engine: TtsEngine, official: dict[Case, Spoken], seed: int) -> None:
    """A crowd that comes and goes changes nobody's speech."""
    rng = random.Random(seed)
    cases = rng.choices(list(official), k=rng.randint(3, 12))
    arrivals = [rng.randint(0, LATEST_ARRIVAL) for _ in cases]
    cancels = [rng.randint(arrival, LATEST_CANCEL) if rng.random() < 0.3 else None for arrival in arrivals]
    requests = [case.request() for case in cases]
    for case, sink in zip(cases, drive(engine, requests, arrivals, cancels), strict=True):
        ours, theirs = heard(sink), official[case].audio
        if sink.outcome() == "cancelled":
            theirs = theirs[: len(ours)]
        assert len(ours) == len(theirs), (seed, case)
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, err_msg=f"schedule {seed}, {case}")
