"""Output streams: without control characters, and stdout without other programs' output."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Generator
from typing import BinaryIO, TextIO, cast

import click

from ..common import descriptors

_C0, _LINES = r"\x00-\x08\x0b-\x1f", r"\u2028\u2029"
_BIDI = r"\u202a-\u202e\u2066-\u2069"
CONTROL = re.compile(f"[{_C0}\x7f-\x9f{_LINES}{_BIDI}]")
"""Control characters, except line ends and tabs; and those that reorder text."""
STYLES = r"\x1b\[[\d;]*m"
BARS = rf"{STYLES}|\x1b\[\?25[lh]|\x1b\[\d*[AK]|\r"
"""Control sequences of progress bars: the cursor moves up, lines are cleared."""
RESET = "\x1b[0m"
REDRAWN = re.compile(r"\r|(?:\x1b\[A)+\Z")
"""The beginning of output of the Hub's bars (tqdm); srzoo's own output never begins so."""


def clean(text: str, allowed: str | None = None) -> str:
    """The text with control characters as ``\x1b``; ``allowed`` sequences are kept."""
    if not CONTROL.search(text):
        return text
    if allowed is None:
        return CONTROL.sub(lambda match: repr(match[0])[1:-1], text)
    either = re.compile(f"({allowed})|{CONTROL.pattern}")
    return either.sub(lambda match: match[1] or repr(match[0])[1:-1], text)


class TextStream(io.TextIOBase):
    """A stream that cleans its text, and continues if it cannot be written.

    It has no ``buffer``, so all output passes through it. On a terminal, styles of rich and click
    are kept. A failed write is stored in ``error``, and the work continues; only a closed pipe
    raises an error, as its reader has ended.

    Args:
        raw: the underlying stream; None if closed.
        bars: whether a progress bar may be drawn.
    """

    def __init__(self, raw: TextIO | None, *, bars: bool = False) -> None:
        self.error: OSError | None = None
        self._raw = raw
        self._bars = bars
        self._allowed = (BARS if bars else STYLES) if self.isatty() else None

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the underlying stream."""
        return (self._raw and self._raw.encoding) or "utf-8"

    @property
    def errors(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Characters that cannot be encoded are escaped."""
        return "backslashreplace"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw is not None and not self._raw.closed and self._raw.isatty()

    def fileno(self) -> int:
        """That of the underlying stream."""
        if self._raw is None:
            raise io.UnsupportedOperation("it is closed")
        return self._raw.fileno()

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str | bytes) -> int:
        """Write the text, cleaned. Click passes bytes for shell completion."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "backslashreplace")
        if text and self._raw is None:
            self.error = self.error or OSError(errno.EBADF, "it is closed")
        if self.error or self._raw is None:
            return len(text)
        head = REDRAWN.match(text) if self._allowed else None
        shown = (
            head[0] + clean(text[head.end() :], self._allowed)
            if head
            else clean(text, self._allowed)
        )
        styles = re.findall(STYLES, shown) if self._allowed and not self._bars else []
        if styles and styles[-1] != RESET:
            # The style may not have been reset.
            shown = shown[:-1] + RESET + "\n" if shown.endswith("\n") else shown + RESET
        encoded = shown.encode(self.encoding, "backslashreplace").decode(self.encoding)
        try:
            self._raw.write(encoded)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.error = error
        return len(text)

    def flush(self) -> None:
        """Send buffered text."""
        if self.error or self._raw is None or self._raw.closed:
            return
        try:
            self._raw.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self.error = error

    def for_bars(self) -> TextStream:
        """The same stream for a progress bar."""
        return TextStream(self._raw, bars=True)


class Streams:
    """The command's streams; :func:`current` finds them.

    Attributes:
        out: standard output.
        err: standard error.
        binary: standard output for bytes, such as a picture; None where it is closed.
    """

    def __init__(self, out: TextIO | None, err: TextIO | None, binary: BinaryIO | None) -> None:
        self.out = TextStream(out)
        self.err = TextStream(err)
        self.binary = binary

    def for_machines(self) -> None:
        """From now on ``sys.stdout`` writes to standard error.

        The requested output is written to ``out`` or ``binary``.
        """
        if isinstance(sys.stdout, TextStream):
            sys.stdout = self.err

    def write_error(self) -> str | None:
        """Why a part of the output could not be written, or None."""
        with contextlib.suppress(BrokenPipeError):
            self.out.flush()
            self.err.flush()
        names = (("standard output", self.out), ("standard error", self.err))
        for name, words in names:
            # A closed standard error is deliberate.
            if words.error and not (words is self.err and words.error.errno == errno.EBADF):
                return f"cannot write to {name}: {words.error.strerror or words.error}"
        return None


def current() -> Streams:
    """The streams of the running command, or Python's own."""
    context = click.get_current_context(silent=True)
    found: object = context.find_root().obj if context else None
    if isinstance(found, Streams):
        return found
    return Streams(sys.stdout, sys.stderr, getattr(sys.stdout, "buffer", None))


@contextlib.contextmanager
def guarded_streams(*, own_process: bool) -> Generator[Streams]:
    """Reserve standard output for the command's own output, and clean all output.

    Args:
        own_process: whether the process belongs to the command, and ends with it. Then the
            streams are not restored, so that C libraries cannot print to stdout when they are
            unloaded.
    """
    before, own = (sys.stdout, sys.stderr), None
    text, binary = cast("TextIO | None", sys.stdout), None
    descriptors.open_closed_descriptors()
    if text is not None:
        binary = cast("BinaryIO | None", getattr(text, "buffer", None))
        console = sys.platform == "win32" and text.isatty()  # it does not accept raw bytes
        if not console:
            text.flush()
            own = _take_over(own_process)
            if _is_descriptor_1(text):
                binary = cast("BinaryIO", own)
                text = io.TextIOWrapper(
                    io.BufferedWriter(own),
                    encoding=text.encoding,
                    errors="backslashreplace",
                    line_buffering=text.isatty(),
                )
    streams = Streams(text, sys.stderr, binary)
    sys.stdout, sys.stderr = streams.out, streams.err
    try:
        yield streams
    finally:
        with contextlib.suppress(OSError):
            streams.out.flush()
        if own:
            _give_back(own, text if text is not before[0] else None, own_process)
        if not own_process:
            sys.stdout, sys.stderr = before


def _take_over(own_process: bool) -> io.FileIO:
    if not own_process:
        descriptors.flush_c()
    return descriptors.take_stdout()


def _give_back(own: io.FileIO, text: TextIO | None, own_process: bool) -> None:
    """Close standard output, dropping unwritten text, so that Python exits without an error."""
    if not own_process:
        descriptors.give_back_stdout(own)
    try:
        if text:
            text.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, own.fileno())
        os.close(nowhere)
    (text or own).close()


def _is_descriptor_1(stream: TextIO) -> bool:
    try:
        return stream.fileno() == descriptors.OUT
    except (OSError, ValueError):
        return False
