"""Text of models, files and libraries made fit to be shown: it can neither drive a terminal nor turn writing round."""

from __future__ import annotations

import io
import re
import sys
from typing import Any, TextIO

# Beside the control codes: what turns the direction of text round, lone surrogates, which no file can hold, and two
# more that XML cannot.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text with control characters made visible, each by one character; tabs and ends of lines stay.

    >>> printable("a\\x1b[31mb")
    'a␛[31mb'
    """
    return _UNPRINTABLE.sub(_picture, text)


def one_line(text: str) -> str:
    """The text in one line, fit to be shown.

    >>> one_line("a\\r\\n  b\\x07")
    'a b␇'
    """
    return printable(" ".join(text.split()))


def is_name(text: str) -> bool:
    """Whether a text can stand for a name: in one line, as it is.

    >>> is_name("my run"), is_name("my\\nrun"), is_name("")
    (True, False, False)
    """
    return bool(text) and printable(text) == text and not re.search(r"[\n\t]", text)


def escaped_json(text: str) -> str:
    """JSON with the same characters escaped: as harmless, and every reader gets back what was written.

    >>> escaped_json('"\\x9b31m"')
    '"\\\\u009b31m"'
    """
    # Ends of lines, which stay, are the only control codes that JSON has outside of its strings.
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def json_text(value: Any) -> str:
    """A struct, or plain values, as indented JSON that ends in a newline."""
    import msgspec

    return escaped_json(msgspec.json.format(msgspec.json.encode(value)).decode()) + "\n"


class PrintableStream(io.TextIOWrapper):
    """Standard output or error to which nothing unprintable gets; `unfiltered` is the stream it stands for."""

    def __init__(self, unfiltered: io.TextIOWrapper) -> None:
        # A terminal that knows no arrows gets question marks, not an error. Both write through: they share a buffer.
        unfiltered.reconfigure(errors="replace", write_through=True)
        super().__init__(
            unfiltered.buffer,
            encoding=unfiltered.encoding,
            errors="replace",
            line_buffering=unfiltered.line_buffering,
            write_through=True,
        )
        self.unfiltered = unfiltered

    def write(self, text: str) -> int:
        """Write the printable text; returns how many characters were given."""
        super().write(printable(text))
        return len(text)

    def close(self) -> None:
        """Flush: the buffer belongs to the stream that this one stands for."""
        if not self.buffer.closed:
            self.flush()


def filter_standard_streams() -> None:
    """From now on what is printed is printable, whoever prints it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = PrintableStream(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = PrintableStream(sys.stderr)


def unfiltered(stream: TextIO) -> TextIO:
    """The stream for our own colours and cursor movements: what goes there besides must be printable already."""
    return stream.unfiltered if isinstance(stream, PrintableStream) else stream


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
