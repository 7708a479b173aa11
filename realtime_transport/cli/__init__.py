"""The command line ``realtime-transport``: a module for each command, loaded when it runs.

Exit codes: 0 good; 1 the session failed; 2 bad usage or input, or no session could be opened; 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from realtime_transport.cli.terminal import remark
from realtime_transport.errors import ConfigError, ConnectError, MissingExtraError, RealtimeError, UnsupportedOperation

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

GOOD, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

LONGEST_LINE = 600
"""Characters of an error that are shown: the body of a refused upgrade may be a whole web page."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. ``--help`` and ``--version`` raise `SystemExit`, as usual.

    Args:
        argv: The arguments; those of the process if not given.
    """
    from realtime_transport.cli.arguments.parser import parse

    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        return arguments.run(arguments)
    except (ConfigError, ConnectError, MissingExtraError, UnsupportedOperation) as error:
        return _complain(error, BAD_INPUT)
    except RealtimeError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _complain(error, BAD_INPUT)
    except KeyboardInterrupt:
        remark("interrupted")
        return INTERRUPTED


def _complain(error: Exception, code: int) -> int:
    line = " ".join(str(error).split()) or type(error).__name__
    if len(line) > LONGEST_LINE:
        line = line[:LONGEST_LINE] + "…"
    remark(line)
    return code
