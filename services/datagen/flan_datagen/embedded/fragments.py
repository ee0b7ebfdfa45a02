"""How much of a summary is taken over from its text: density and coverage (Grusky et al. 2018, section 3).

A fragment is the longest run of words of the summary, from where the last one ended, that the text has too.
Coverage is the share of the summary's words in fragments, density the mean length of the fragment that a
word of the summary stands in.
"""


def density_and_coverage(text: str, summary: str) -> tuple[float, float]:
    """
    >>> density_and_coverage("the cat sat down", "the cat ran")
    (1.3333333333333333, 0.6666666666666666)
    """
    words, rest = text.lower().split(), summary.lower().split()
    lengths = []
    start = 0
    while start < len(rest):
        length = _longest(words, rest[start:])
        lengths.append(length)
        start += max(length, 1)
    return sum(length**2 for length in lengths) / len(rest), sum(lengths) / len(rest)


def _longest(words: list[str], start: list[str]) -> int:
    """Length of the longest beginning of `start` that stands in `words`."""
    best = 0
    for place in range(len(words)):
        length = 0
        while place + length < len(words) and length < len(start) and words[place + length] == start[length]:
            length += 1
        best = max(best, length)
    return best
