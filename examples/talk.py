#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["qwen-triton-client"]
#
# [tool.uv.sources]
# qwen-triton-client = { path = "../packages/client", editable = true }
# ///
"""A spoken conversation, one recording a turn: talk.py OUT_FOLDER FILE..."""

import sys
from pathlib import Path

from qwen_client import Client, Heard, ReplySound, ReplyText

folder, *files = sys.argv[1:]
Path(folder).mkdir(parents=True, exist_ok=True)
with Client() as client, client.chains.conversation() as talk:
    for number, file in enumerate(files, 1):
        turn = talk.say(file)
        for event in turn:
            if isinstance(event, Heard):
                print(f"you:   {event.text}")
            elif isinstance(event, ReplyText):
                print(event.text, end="", flush=True)
            elif isinstance(event, ReplySound):  # a player would play it now
                print(f" [{event.time_s:.2f} s: {len(event.samples) / event.sample_rate:.2f} s of sound] ", end="")
        reply = turn.result()
        reply.save(f"{folder}/reply-{number}.wav")
        print(f"\nreply: {reply.text}")
