"""Strings that come again and again.

Decides: which fields hold them, and keeps one object for each, however many records name it. Leaves to others: all other strings.
"""

WORD_FIELDS = frozenset({"account", "symbol", "topic", "venue", "source", "side", "kind", "type", "regime", "fee_currency"})
"""Names of fields with few values. Ids are not among them: each would push out a word."""

_WORDS_MAX = 65_536
"""Words kept, 10 MB at most; when it is full it starts anew."""
_WORD_BYTES_MAX = 64
"""A longer string is no word, and is not kept."""


class Words(dict[bytes, str]):
    """Strings by their UTF-8 bytes: `words[raw]`, UnicodeDecodeError where they are none."""

    def __missing__(self, raw: bytes) -> str:
        word = str(raw, "utf-8")
        if len(raw) <= _WORD_BYTES_MAX:
            if len(self) >= _WORDS_MAX:
                self.clear()
            self[raw] = word
        return word


words = Words()
