"""`python -m tests.chaos.ferry_typed SECONDS …`: what an operator types after `zhangban`, on a clock so far ahead."""

import sys
from datetime import timedelta

from server.__main__ import main
from tests.chaos.victim import set_clock

if __name__ == "__main__":
    set_clock(timedelta(seconds=float(sys.argv.pop(1))))
    main()
