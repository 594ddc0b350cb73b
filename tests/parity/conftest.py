"""The official package's answers, computed once for all tests."""

import pytest

from tests.parity.official import CASES, CHECKPOINTS, Case, Spoken, ask_official


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Spoken]:
    folder = tmp_path_factory.mktemp("official")
    answers: dict[Case, Spoken] = {}
    for checkpoint in dict.fromkeys(case.checkpoint for case in CASES):
        cases = [case for case in CASES if case.checkpoint == checkpoint]
        answers |= ask_official(CHECKPOINTS / checkpoint, cases, folder)
    return answers
