"""`python -m sms.simulator [--port 2775] [--account id:password]`: a carrier to try any SMPP client against."""

import argparse
import asyncio

from kernel.clock import SystemClock
from sms.simulator.smsc import IdStyle, Smsc


async def serve(arguments: argparse.Namespace) -> None:
    accounts = dict(account.split(":", 1) for account in arguments.account)
    async with Smsc(accounts, clock=SystemClock(), port=arguments.port, id_style=arguments.ids) as smsc:
        print(f"listening on {smsc.host}:{smsc.port}", flush=True)
        while True:
            await asyncio.sleep(arguments.every_s)
            print(dict(smsc.counts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sms.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=2775)
    parser.add_argument("--account", action="append", default=None, help="system_id:password, may be repeated")
    parser.add_argument("--ids", type=IdStyle, choices=list(IdStyle), default=IdStyle.HEX)
    parser.add_argument("--every-s", type=float, default=10.0, help="seconds between two lines of counts")
    arguments = parser.parse_args()
    arguments.account = arguments.account or ["zhangban:secret"]
    try:
        asyncio.run(serve(arguments))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
