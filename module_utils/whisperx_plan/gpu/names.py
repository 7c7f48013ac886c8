"""Small words of the sentences: names of GPUs, articles, lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..host import Gpu

__all__ = ["article", "gpu_words", "ways"]

_MAKER = re.compile(r"^(?:NVIDIA\s+)?(?:GeForce\s+)?", re.IGNORECASE)
# Letters whose name begins with a vowel sound: an H100, an RTX 5090, an L40S.
_VOWEL_NAMES = "AEFHILMNORSX"


def article(name: str) -> str:
    """Return "a" or "an" for a model name."""
    spelt = name[:2].isupper() or name[1:2].isdigit()
    first = name[:1]
    return "an" if (first in _VOWEL_NAMES if spelt else first.lower() in "aeiou") else "a"


def gpu_words(gpu: Gpu, article: bool = False) -> str:
    """Return the GPU's name without its maker, with an article on request."""
    name = _MAKER.sub("", gpu.name) or gpu.name
    return f"{_article(name)} {name}" if article else name


_article = article


def ways(items: Iterable[str]) -> str:
    """Return "a, b and c", each once."""
    unique = list(dict.fromkeys(items))
    if len(unique) < 2:
        return "".join(unique)
    return ", ".join(unique[:-1]) + " and " + unique[-1]
