"""What a vendor's own block in an answer shows to a client of another protocol: words, and pictures
(docs/protocols/messages.md#blocks-without-a-form-in-an-answer).

Not here: what a block says (each dialect's plain_words.py); what it says to a model, in a history.
"""

from __future__ import annotations

from ..conversation.parts import Foreign, Image
from ..conversation.request import Request

MARKED = '\n<block type="{}">\n{}\n</block>\n'
"""What the assistant's tools said, told to a model apart from its own words."""
PICTURE = "Made a picture."
"""Stands for one where the client's protocol has no form for it."""


def fenced(text: str, language: str = "") -> str:
    """As code in Markdown, by a fence that is not in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}" if text.strip() else ""


def paragraphs(*texts: str) -> str:
    """Those that say something, each a paragraph of its own."""
    return "\n\n".join(text for text in texts if text.strip())


def words_for(part: Foreign, request: Request) -> str:
    """Its words as text of the answer, apart from what the model itself says. None in an answer that is
    to be JSON: the client would no longer read it."""
    if request.format is not None or not part.text.strip():
        return ""
    return f"\n\n{part.text.strip()}\n\n"


def pictures_of(part: Foreign) -> list[Image]:
    """Those that the model made."""
    return [one for one in part.shown if isinstance(one, Image)]


def url_of(picture: Image) -> str:
    """A URL that holds it, or names it."""
    return picture.url or f"data:{picture.media_type};base64,{picture.data}"
