"""Half a minute of people at work: `python -m perf.locust_quick [--url HOST:PORT]` (`make perf-locust`)."""

import subprocess
import sys
from pathlib import Path

from perf.server import parse_url, server_at

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
NUM_USERS = 6  # two of each kind
RUN_TIME_S = 30
STOP_TIMEOUT_S = 60  # what calls under way are given to finish


def main() -> int:
    """Locust's exit status: 1 if any request failed."""
    url = parse_url("locust users on all models at once")
    with server_at(url) as address:
        return subprocess.run(locust_command(address, RUN_TIME_S), check=False).returncode


def locust_command(address: str, run_time_s: int) -> list[str]:
    """To be run in the project's root."""
    return [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", address),
        *("--headless", "--only-summary", "--users", str(NUM_USERS), "--spawn-rate", str(NUM_USERS)),
        *("--run-time", f"{run_time_s}s", "--stop-timeout", str(STOP_TIMEOUT_S)),
    ]


if __name__ == "__main__":
    sys.exit(main())
