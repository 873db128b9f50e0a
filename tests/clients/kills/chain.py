#!/usr/bin/env python3
"""Consume, transform, produce, while the broker is killed (scripts/exactly-once): the work and the judgement are
tests/clients/java's Chain, the kills are here.

    chain.py [RECORDS] [SEED]     KAFKA_CLIENT=3.9.1: by an older client, which speaks the older protocol
"""

import os
import random
import subprocess
import sys
import threading

from broker import Broker, java

# Kills at least, whatever is asked for.
KILLS_MIN = 3
RECORDS_PER_SECOND = 500
SETTINGS = [
    "offsets.topic.num.partitions=4",
    "transaction.state.log.num.partitions=4",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    "group.initial.rebalance.delay.ms=100",
]


def main():
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 31)
    version = os.environ.get("KAFKA_CLIENT")
    print(f"{records} records, seed {seed}, client {version or 'newest'}", flush=True)
    dice = random.Random(seed)
    seconds = max(records // RECORDS_PER_SECOND, 12)
    command = java(version)
    broker = Broker("chain", SETTINGS)
    good = False
    work = None
    try:
        broker.start()
        log = open(broker.directory / "clients.log", "w", encoding="utf-8")
        work = subprocess.Popen(
            [*command[:1], "-Xmx256m", *command[1:], "clients.Chain", broker.bootstrap, str(records), str(seconds), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        told = {"ready": threading.Event(), "done": threading.Event()}
        last = []

        def listen():
            for line in work.stdout:
                line = line.rstrip()
                last.append(line)
                if line in told:
                    told[line].set()
                elif not line.startswith(("committed", "no answer")):
                    print(line, flush=True)
            for event in told.values():
                event.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        told["ready"].wait(60)
        ready = []
        while not told["done"].wait(dice.uniform(1.5, 4.5)):
            ready.append(broker.kill_and_start(dice))
        work.stdin.write("\n")
        work.stdin.flush()
        listener.join(240)
        status = work.wait(10)
        broker.sound()
        good = status == 0
        print(f"{broker.kills} kills, ready again after {max(ready, default=0):.2f} s at most")
        if broker.kills < KILLS_MIN:
            raise SystemExit(f"only {broker.kills} kills: too few to prove anything")
        if not good:
            print("\n".join(last[-5:]))
    finally:
        if work and work.poll() is None:
            work.kill()
        broker.forget(good)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
