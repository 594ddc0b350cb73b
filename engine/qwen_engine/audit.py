"""What has to be accounted for afterwards, as one line of JSON each in the log: `AUDIT {"action": ..., "tenant": ...}`.

The consent note is logged whole: it says who allowed the use of a voice. Recordings and their texts are not.
"""

import json
import logging
from typing import Literal

from qwen_engine.messages import Caller

log = logging.getLogger("qwen_engine.audit")

Action = Literal["voice_added", "voice_removed", "voice_cloned"]


def audit(action: Action, caller: Caller, *, voice: str | None, consent: str | None) -> None:
    """`voice`: its name, None where it was used without being kept; `consent`: None where none was asked for."""
    record = {"action": action, "tenant": caller.tenant, "request_id": caller.request_id, "voice": voice}
    log.info("AUDIT %s", json.dumps({**record, "consent": consent}))
