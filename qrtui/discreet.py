"""Keeps what gives access to something out of what is shown, logged and kept."""

from __future__ import annotations

import os
import re

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SHORTEST = 6
_SECRET = re.compile(r"\bhf_[A-Za-z0-9_]{6,}|(?<=://)[^/\s@]+(?=@)")


def discreet(text: str) -> str:
    """The text without access tokens of the hub, and without names and passwords in addresses.

    >>> discreet("GET https://me:pass@proxy: illegal header 'Bearer hf_abcdefgh'")
    "GET https://…@proxy: illegal header 'Bearer …'"
    """
    for name in _TOKENS:
        token = os.environ.get(name, "").strip()
        if len(token) >= _SHORTEST:
            text = text.replace(token, "…")
    return _SECRET.sub("…", text)
