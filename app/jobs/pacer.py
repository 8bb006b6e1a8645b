"""One pace for two answers: how much of both may be shown, whatever the speed of each."""

from __future__ import annotations

from dataclasses import dataclass

FASTEST = 250.0  # characters a second; twice as fast as anybody reads
SLOWEST = 20.0  # the pace for the rest of a longer answer, if both were slower than this before


@dataclass(slots=True)
class Pacer:
    """How many characters of each side are shown: always the same number, as far as a side has that many.

    While both answers grow, the slower one sets the pace. When one has been shown whole, the other goes on at the pace
    that both had had until then, and no faster: else it would show by its own speed whether it had been waited for.
    """

    shown: float = 0.0
    _began: float | None = None
    _last: float = 0.0
    _rate: float | None = None

    def advance(self, now: float, lengths: tuple[int, int], whole: tuple[bool, bool]) -> int:
        """The number of characters to show of each side at ``now``, in seconds.

        ``lengths`` is how much of each may be shown, ``whole`` whether that is all there will be.
        """
        left = self._began is None and not all(n or is_whole for n, is_whole in zip(lengths, whole, strict=True))
        if left:
            return 0
        if self._began is None:
            self._began = self._last = now
        passed, self._last = now - self._last, now
        growing = [n for n, is_whole in zip(lengths, whole, strict=True) if not is_whole]
        ahead = [n for n, is_whole in zip(lengths, whole, strict=True) if not is_whole or n > self.shown]
        if self._rate is None and len(ahead) < len(lengths):
            self._rate = min(FASTEST, max(SLOWEST, self.shown / max(now - self._began, 0.1)))
        most = min(growing) if growing else max(lengths)
        self.shown = max(self.shown, min(self.shown + passed * (self._rate or FASTEST), most))
        return int(self.shown)

    def is_done(self, lengths: tuple[int, int], whole: tuple[bool, bool]) -> bool:
        """Whether all of both answers is shown."""
        return all(whole) and self.shown >= max(lengths)
