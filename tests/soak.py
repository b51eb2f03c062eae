"""`make soak`: fifty rounds of kill -9 under load, ten upgrades under load, and what came of them."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests import chaos, upgrades


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--upgrades", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    print(f"{chosen.rounds} rounds, seed {chosen.seed}")
    with tempfile.TemporaryDirectory() as folder:
        outcome = chaos.run(Path(folder), rounds=chosen.rounds, seed=chosen.seed)
    print(outcome.line())
    with tempfile.TemporaryDirectory() as folder:
        prepared = upgrades.prepare(Path(folder) / "prepared")
        upgraded = upgrades.run(Path(folder) / "pair", prepared, upgrades=chosen.upgrades)
    print(f"{chosen.upgrades} upgrades: {upgraded.line()}")
    return 0 if outcome.well and upgraded.well else 1


if __name__ == "__main__":
    sys.exit(main())
