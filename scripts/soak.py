"""Audit events through everything that can go wrong, seed after seed, and what became of them.

Several processes emit, are killed and begin anew, while the emulator drops, stalls, answers nonsense and restarts, and
damaged spool files of dead processes appear in their directory (`tests/faults/soak`). At the end all events are counted
in the database: none may be missing, and none there twice. A damaged file is kept if not all of it is delivered.

    scripts/soak                                one minute of faults, which takes some ten seconds
    scripts/soak --seeds 200                    the seeds from 0 on
    scripts/soak --seed 17 --minutes 10         one long one
    scripts/soak --fence 0                      shows that it would see doubles
    scripts/soak --no-witnesses                 shows that it would see losses

A seed makes the same things go wrong at the same times. What they hit, the operating system decides.
"""

import argparse
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from kubernaut_client.emulator import Emulator
from tests.faults.soak.count import Count
from tests.faults.soak.nursery import Nursery
from tests.faults.soak.schedule import draw
from tests.faults.soak.setting import Setting
from tests.faults.soak.soak import Soak


def main() -> int:
    options = _options()
    # It tells of every transaction that a fault cut off.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    total = Count()
    begin = time.monotonic()
    stalled = 0
    with Emulator() as emulator, Nursery() as nursery:
        for seed in range(options.seed, options.seed + options.seeds):
            setting = Setting(
                seed=seed,
                minutes=options.minutes,
                scale=options.scale,
                fence=options.fence,
                witnesses=0 if options.no_witnesses else Setting.witnesses,
                processes=options.processes,
                kills=max(round(options.minutes * options.kills), 1),
                thrown=round(options.minutes * options.thrown),
            )
            place = Path(tempfile.mkdtemp(prefix="kubernaut-soak-"))
            found = Soak(emulator, nursery, setting, place).run(draw(setting))
            print(f"seed {seed}: {found}", flush=True)
            for trouble in found.troubles:
                print(f"  {trouble}", flush=True)
            if setting.fence and found.stalled > setting.slack:
                stalled += 1
                print(f"  this machine stood still for {found.stalled:.1f} s: doubles say nothing", flush=True)
            if found.bad:
                print(f"  it is kept in {place}", flush=True)
            else:
                shutil.rmtree(place)
            total.add(found)
    print(f"{options.seeds} seeds from {options.seed} on, {time.monotonic() - begin:.0f} s: {total}")
    if stalled:
        print(f"in {stalled} of them this machine stood still for too long")
    return 1 if total.bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first seed; 0 by default")
    parser.add_argument("--seeds", type=int, default=1, metavar="COUNT", help="how many, one after another")
    parser.add_argument(
        "--minutes", type=float, default=1.0, metavar="N", help="simulated minutes of each; 1 by default"
    )
    parser.add_argument("--scale", type=float, default=20.0, help="how many times faster time runs; 20 by default")
    parser.add_argument("--fence", type=float, default=35.0, metavar="SECONDS", help="simulated; 35 by default")
    parser.add_argument("--no-witnesses", action="store_true", help="what may have arrived counts as stored")
    parser.add_argument("--processes", type=int, default=3, metavar="N", help="that emit; 3 by default")
    parser.add_argument("--kills", type=float, default=8, metavar="N", help="kill -9 a minute; 8 by default")
    parser.add_argument(
        "--thrown", type=float, default=6, metavar="N", help="damaged files of dead processes a minute; 6 by default"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
