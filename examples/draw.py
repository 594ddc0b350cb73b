#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["qwen-triton-client"]
#
# [tool.uv.sources]
# qwen-triton-client = { path = "../packages/client", editable = true }
# ///
"""Draw a picture, edit it, and describe the result: draw.py PROMPT INSTRUCTION OUT.png"""

import sys

from qwen_client import Client, Progress

prompt, instruction, out = sys.argv[1:]


def show(event: object) -> None:
    if isinstance(event, Progress):
        print(f"\rstep {event.step} of {event.steps}", end="", file=sys.stderr)


with Client() as client:
    picture = client.image.generate(prompt, seed=7, on_progress=show)
    edited = client.image.edit(picture, instruction, seed=7, on_progress=show)
    edited.save(out)
    print(f"\nwrote {out}: {client.vision.describe(edited).text}")
