"""Runs every test_*.py of this folder; a skipped test counts as a failure. At the end it prints the matrix.

Words on the command line choose tests by a part of their name.
"""

import signal
import sys
import unittest
from pathlib import Path

import matrix
import test_clients


def main() -> int:
    # On SIGTERM, raise KeyboardInterrupt as Ctrl-C does. unittest does not catch it, so the started processes are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    loader = unittest.TestLoader()
    if patterns := sys.argv[1:]:
        loader.testNamePatterns = [f"*{pattern}*" for pattern in patterns]
    suite = loader.discover(str(Path(__file__).parent))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if test_clients.all_played.cache_info().currsize:
        print(f"{matrix.table(test_clients.called())}\n\n{matrix.reasons()}", flush=True)
    for test, reason in result.skipped:
        print(f"skipped, which is a failure here: {test}: {reason}", file=sys.stderr)
    if result.testsRun == 0:
        print("no test was run", file=sys.stderr)
    passed = result.wasSuccessful() and result.testsRun > 0 and not result.skipped
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
