"""See ``tests.bench.program``. Processes that a case starts import this file again, so that it must import nothing."""

import sys

if __name__ == "__main__":
    from tests.bench.program import main

    sys.exit(main())
