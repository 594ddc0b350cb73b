"""python -m qwen_gateway HOST PORT WORKERS: the gateway with the settings in QWEN_GATEWAY_SETTINGS (JSON)."""

import os
import sys

from qwen_gateway.serving import serve
from qwen_gateway.settings import SETTINGS_VARIABLE, GatewaySettings


def main() -> None:
    host, port, workers = sys.argv[1:]
    serve(GatewaySettings.model_validate_json(os.environ.get(SETTINGS_VARIABLE, "{}")), host, int(port), int(workers))


if __name__ == "__main__":
    main()
