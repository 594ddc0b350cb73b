"""Every format that is read, to its end and in time."""

import pytest

from qwen_media.sound import Wanted, decode_sound
from tests.sounds import DURATION_S, FILES, RATE_HZ, amr_wide, chirps, shift_s

WANTED = Wanted(RATE_HZ, 60.0)
SAID = chirps()


@pytest.mark.parametrize("name", FILES)
def test_the_sound_of_a_file(name: str) -> None:
    heard = decode_sound(FILES[name](), WANTED)
    assert heard.damage_s == 0
    assert len(heard.samples) / RATE_HZ == pytest.approx(DURATION_S, abs=0.15)
    for at_s in (0.2, 4.1, 9.3):
        assert shift_s(heard.samples, SAID, at_s) == pytest.approx(0, abs=0.07)


def test_wide_band_amr() -> None:
    heard = decode_sound(amr_wide(), WANTED)
    assert len(heard.samples) == 2 * RATE_HZ
    assert heard.damage_s == 0
