#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["qwen-triton-client"]
#
# [tool.uv.sources]
# qwen-triton-client = { path = "../packages/client", editable = true }
# ///
"""Chat from the terminal, an answer to each line until the end of the input: chat.py"""

import sys

from qwen_client import Client

conversation = []
with Client() as client:
    for line in sys.stdin:
        conversation.append({"role": "user", "content": line.strip()})
        answer = ""
        for piece in client.chat.stream(conversation):
            print(piece.text, end="", flush=True)
            answer += piece.text
        print()
        conversation.append({"role": "assistant", "content": answer})
