#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["qwen-triton-client[audio,documents]"]
#
# [tool.uv.sources]
# qwen-triton-client = { path = "../packages/client", editable = true }
# ///
"""Minutes of a meeting, one recording a speaker, named by its file: minutes.py OUT_FOLDER FILE..."""

import sys
from pathlib import Path

from qwen_client import Client, StageResult

folder, *files = sys.argv[1:]
with Client() as client:
    with client.chains.meeting_minutes(files, speakers=[Path(file).stem.title() for file in files]) as run:
        for event in run:
            if isinstance(event, StageResult):
                print(f"{event.time_s:6.2f} s  {event.stage}")
        minutes = run.result()
    for file in minutes.save(folder):
        print(f"wrote {file}")
    for shortfall in minutes.shortfalls:
        print(f"incomplete: {shortfall.message}")
