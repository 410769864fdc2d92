"""Texts that would drive a terminal, break a file's format, or be taken for markup; and how to tell that none did."""

import re

NASTY = (
    "\x1b[31m\x1b[2J\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x1b]52;c;eHg=\x1b\\\x9b2J\x90\x9d\x85\x00\x08\r"
    "\x7f\u202egnp.exe\u202c\u2066\ufffe [red]b[/red] [/] [@click=app.quit]x[/] $x^{ &lt;b> | `` ``` ~~~ % \\input{x}"
)
"""Without a line break, so that it fits where a name stands."""
TWO_LINES = f"{NASTY}\n\\end{{document}}\n{NASTY}"
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def harmless(text):
    """The text, which holds nothing that a terminal would obey."""
    assert UNPRINTABLE.findall(text) == []
    return text
