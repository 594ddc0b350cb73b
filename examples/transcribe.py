#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["qwen-triton-client"]
#
# [tool.uv.sources]
# qwen-triton-client = { path = "../packages/client", editable = true }
# ///
"""Write down what is said in sound files: transcribe.py FILE..."""

import sys

from qwen_client import Client

with Client() as client:
    for file in sys.argv[1:]:
        transcript = client.asr.transcribe(file, timestamps="word")
        print(f"{file} ({transcript.language}): {transcript.text}")
        for word in transcript.words:
            print(f"  {word.start_s:6.2f} s  {word.text}")
