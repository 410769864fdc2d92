"""Quiet colours for Python: few of them, from the theme."""

from __future__ import annotations

from pygments.token import Token
from textual.highlight import HighlightTheme


class CodeColours(HighlightTheme):
    """Keywords, names of functions, strings, numbers and comments; everything else is plain text."""

    STYLES = {
        Token.Comment: "$muted italic",
        Token.Keyword: "$text-accent",
        Token.Keyword.Constant: "$text-warning",
        Token.Operator.Word: "$text-accent",
        Token.Literal.Number: "$text-warning",
        Token.Literal.String: "$text-success",
        Token.Literal.String.Doc: "$text-success 80%",
        Token.Name.Builtin: "$text-primary",
        Token.Name.Decorator: "$text-primary",
        Token.Name.Function: "bold",
        Token.Name.Class: "bold",
    }
