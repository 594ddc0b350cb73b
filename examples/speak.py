#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["qwen-triton-client[audio]"]
#
# [tool.uv.sources]
# qwen-triton-client = { path = "../packages/client", editable = true }
# ///
"""Speak a text into a file, and print when its sound arrives: speak.py TEXT OUT.wav"""

import sys

import numpy as np
import soundfile

from qwen_client import Client

text, out = sys.argv[1:]
with Client() as client, client.tts.stream(text) as stream:
    chunks = []
    for chunk in stream:  # a player would play each chunk now
        print(f"chunk {chunk.index}: {len(chunk.samples) / chunk.sample_rate:.2f} s of sound")
        chunks.append(chunk)

soundfile.write(out, np.concatenate([chunk.samples for chunk in chunks]), chunks[0].sample_rate)
print(f"wrote {out}")
