#!/usr/bin/env python3
"""Groups whose members come, go and are killed, and whose broker is killed while they rebalance (scripts/group-churn).
The members are tests/clients/java's Churn, one process a member of every group; what they saw is judged here.

    churn.py [KILLS] [SEED]       GROUP_PROTOCOL=consumer: by the new protocol of groups (KIP-848)
"""

import json
import os
import random
import subprocess
import sys
import time

import ledger
from broker import Broker, java

TOPIC, PARTITIONS = "churn", 6
MEMBERS = 3
RECORDS_PER_SECOND = 50
GROUPS = {
    "classic": {"range": "RangeAssignor", "round-robin": "RoundRobinAssignor", "sticky": "StickyAssignor",
                "cooperative": "CooperativeStickyAssignor"},
    "consumer": {"uniform": "uniform", "server-range": "range"},
}
SETTINGS = {
    "classic": ["group.min.session.timeout.ms=1000", "group.initial.rebalance.delay.ms=100"],
    "consumer": ["group.consumer.min.session.timeout.ms=1000", "group.consumer.session.timeout.ms=1500",
                 "group.consumer.min.heartbeat.interval.ms=200", "group.consumer.heartbeat.interval.ms=300"],
}
SETTLES_S = 90
# For a group to go on; its dead members are missed after a second and a half.
PROGRESS_S = 12


class Fleet:
    """Processes with one member in each group."""

    def __init__(self, broker, protocol, dice):
        self.broker, self.dice, self.protocol = broker, dice, protocol
        self.java = java()
        self.running, self.leaving, self.logs, self.read = [], [], [], {}
        self.feeder = self.launch("feed", str(RECORDS_PER_SECOND))

    def launch(self, *arguments):
        number = len(self.logs)
        out = open(self.broker.directory / f"member-{number}.log", "w", encoding="utf-8")
        errors = open(self.broker.directory / f"member-{number}.err", "w", encoding="utf-8")
        process = subprocess.Popen([*self.java[:1], "-Xmx96m", *self.java[1:], "clients.Churn", self.broker.bootstrap,
                                    TOPIC, *arguments], stdin=subprocess.PIPE, stdout=out, stderr=errors)
        self.logs.append(out.name)
        return process

    def committed(self):
        """Groups of which somebody committed since this was asked last."""
        groups = set()
        for log in self.logs:
            with open(log, "rb") as file:
                file.seek(self.read.get(log, 0))
                said = file.read()
            whole = said.rfind(b"\n") + 1
            self.read[log] = self.read.get(log, 0) + whole
            groups |= {line.split()[1].decode() for line in said[:whole].splitlines() if b" committed " in line}
        return groups

    def breathe(self):
        """Until every group has gone on, or for a while."""
        self.committed()
        missing, until = set(GROUPS[self.protocol]), time.monotonic() + PROGRESS_S
        while missing and time.monotonic() < until:
            time.sleep(0.1)
            missing -= self.committed()

    def start(self):
        groups = [f"{name}={assignor}" for name, assignor in GROUPS[self.protocol].items()]
        seed = str(self.dice.randrange(1 << 31))
        self.running.append(self.launch("members", self.protocol, seed, *groups))

    def take(self):
        return self.running.pop(self.dice.randrange(len(self.running)))

    def kill(self):
        process = self.take()
        assert process.poll() is None, f"a member ended by itself: {process.returncode}"
        process.kill()
        process.wait()

    def stop(self):
        process = self.take()
        process.stdin.close()
        self.leaving.append(process)

    def sound(self):
        """Who left in order must have ended well, and nobody by himself."""
        for process in list(self.leaving):
            if process.poll() is not None:
                self.leaving.remove(process)
                assert process.returncode == 0, f"a member that stopped ended with {process.returncode}"
        for process in [*self.running, self.feeder]:
            assert process.poll() is None, f"a member ended by itself: {process.returncode}"

    def end(self):
        self.feeder.stdin.close()
        while self.running:
            self.stop()
        for process in [*self.leaving, self.feeder]:
            assert process.wait(60) == 0, "a member that stopped ended badly"

    def forget(self):
        for process in [*self.running, *self.leaving, self.feeder]:
            if process.poll() is None:
                process.kill()


def disturb(broker, fleet, dice):
    """One thing that happens; how many kills that were."""
    before, killed = broker.kills, 0
    what = dice.random()
    of_member = what < 0.7
    if of_member:
        if len(fleet.running) > 1 and dice.random() < 0.5:
            fleet.kill()
            killed += 1
        elif len(fleet.running) > 1:
            fleet.stop()
        if dice.random() < 0.7 or len(fleet.running) < 2:
            fleet.start()
    # While they rebalance about it, or just so.
    if what > 0.35:
        time.sleep(dice.uniform(0, 0.8) if of_member else 0)
        broker.kill_and_start(dice)
    while len(fleet.running) > MEMBERS:
        fleet.stop()
    return killed + broker.kills - before


def describe(broker, group):
    told = broker.run("group", "describe", group, "--json")
    return json.loads(told.stdout) if told.returncode == 0 else {"state": told.stderr.strip(), "members": []}


def settled(broker, groups):
    """What each group is once it is stable, shared out and at the end; or what is missing."""
    until = time.monotonic() + SETTLES_S
    while True:
        found = {group: describe(broker, group) for group in groups}
        wrong = {group: it for group, it in found.items()
                 if it["state"] != "Stable" or len(it["members"]) != MEMBERS or it["lag"] != 0
                 or sorted(p["partition"] for p in it["partitions"] if p["member"]) != list(range(PARTITIONS))}
        if not wrong:
            return found, []
        if time.monotonic() > until:
            return found, [f"{group} does not settle: {it}" for group, it in wrong.items()]
        time.sleep(0.5)


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 31)
    protocol = os.environ.get("GROUP_PROTOCOL", "classic")
    groups = list(GROUPS[protocol])
    print(f"{kills} kills, seed {seed}, protocol {protocol}, groups {', '.join(groups)}", flush=True)
    dice = random.Random(seed)
    broker = Broker("churn", [*SETTINGS[protocol], "offsets.topic.num.partitions=4"])
    fleet, faults = None, ["it did not come to an end"]
    try:
        broker.start()
        made = broker.run("topic", "create", TOPIC, "--partitions", str(PARTITIONS))
        assert made.returncode == 0, made.stderr
        fleet = Fleet(broker, protocol, dice)
        for _ in range(MEMBERS):
            fleet.start()
        time.sleep(3)
        done = told = 0
        while done < kills:
            # Blow upon blow, or with time in between to share and to read.
            if dice.random() < 0.6:
                fleet.breathe()
            time.sleep(dice.uniform(0.2, 1.0))
            done += disturb(broker, fleet, dice)
            fleet.sound()
            if done - told >= 25:
                told = done
                print(f"{done} kills", flush=True)
        while len(fleet.running) < MEMBERS:
            fleet.start()
        # What is written until now is read to its end.
        fleet.feeder.stdin.close()
        fleet.feeder.wait(60)
        found, faults = settled(broker, groups)
        fleet.end()
        broker.sound()
        ends = {group: {p["partition"]: (p["committed"], p["end"]) for p in it.get("partitions", [])}
                for group, it in found.items()}
        said = ledger.read(fleet.logs)
        faults += ledger.judge(said, ends)
        print(f"{done} kills, {broker.kills} of them of the broker; {ledger.summary(said)}")
        generations, commits = ledger.counts(said)
        if generations < kills or commits < 5 * kills:
            faults.append("too little happened to prove anything")
    finally:
        if fleet:
            fleet.forget()
        for fault in faults[:20]:
            print("FAULT", fault)
        broker.forget(not faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
