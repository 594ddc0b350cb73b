"""The official package's answers, computed once for all tests."""

import pytest

from tests.parity.official import CUSTOM_VOICE_CASES, CustomVoiceCase, Spoken, official_tts


@pytest.fixture(scope="session")
def official_custom_voice(tmp_path_factory: pytest.TempPathFactory) -> dict[CustomVoiceCase, Spoken]:
    jobs = [case.job() for case in CUSTOM_VOICE_CASES]
    spoken = official_tts("tts", jobs, tmp_path_factory.mktemp("official"))
    return dict(zip(CUSTOM_VOICE_CASES, spoken, strict=True))
