#!/usr/bin/env python3
"""Judges what the members of groups saw: no partition with two owners in one generation, no committed offset that goes
back, every record handed to somebody, and to nobody with a gap. Run by itself, it tries itself on made-up sightings.

A sighting is what a member prints: NANOS GROUP MEMBER GENERATION EVENT DETAIL..., with the events
    owns [p,p]            what it has after a rebalance
    found BEGAN p offset  what was committed, asked from BEGAN to NANOS
    polled p first next count
    committed BEGAN p offset
    gives p, loses p
"""

import bisect
from collections import defaultdict
from dataclasses import dataclass


@dataclass
class Seen:
    at: int
    # The process that saw it: positions are its own.
    source: int
    group: str
    member: str
    generation: int
    event: str
    details: list


def parse(line, source):
    at, group, member, generation, event, *details = line.split()
    if event == "owns":
        numbers = [int(number) for number in details[0].strip("[]").split(",") if number]
    else:
        numbers = [int(number) for number in details]
    return Seen(int(at), source, group, member, int(generation), event, numbers)


def read(logs):
    """All of it in the order of time, which is one clock on one machine. Who was killed leaves half a line at most."""
    said = []
    for source, path in enumerate(logs):
        with open(path, encoding="utf-8") as file:
            said += [parse(line, source) for line in file if line.endswith("\n")]
    return sorted(said, key=lambda seen: seen.at)


def judge(said, ends):
    """`ends`: for each group and partition what is committed at last, and the log's end."""
    faults = []
    for group in sorted(ends):
        of_group = [seen for seen in said if seen.group == group]
        faults += [f"{group}: {fault}" for fault in [
            *owners(of_group), *commits(of_group, ends[group]), *positions(of_group), *coverage(of_group, ends[group])]]
    return faults


def owners(said):
    """Two owners in one generation."""
    owner, faults = {}, []
    for seen in said:
        if seen.event not in ("owns", "polled") or seen.generation < 0:
            continue
        for partition in seen.details if seen.event == "owns" else seen.details[:1]:
            first = owner.setdefault((seen.generation, partition), seen.member)
            if first != seen.member:
                faults.append(f"{partition} is {first}'s and {seen.member}'s in generation {seen.generation}")
    return faults


def commits(said, ends):
    """Offsets that go back: what was acknowledged before somebody asked or committed is the least that must be there."""
    acknowledged = defaultdict(list)
    for seen in said:
        if seen.event == "committed":
            _, partition, offset = seen.details
            acknowledged[partition].append((seen.at, offset))
    most = {}
    for partition, told in acknowledged.items():
        highest, line = 0, []
        for at, offset in told:
            highest = max(highest, offset)
            line.append((at, highest))
        most[partition] = line

    def before(partition, at):
        line = most.get(partition, [])
        place = bisect.bisect_left(line, (at, -1))
        return line[place - 1][1] if place else 0

    faults = []
    for seen in said:
        if seen.event in ("found", "committed"):
            began, partition, offset = seen.details
            least = before(partition, began)
            if offset < least:
                faults.append(f"{partition} went back from {least} to {offset} ({seen.event} by {seen.member})")
    for partition, (committed, _) in ends.items():
        least = before(partition, 1 << 63)
        if (committed or 0) < least:
            faults.append(f"{partition} went back from {least} to {committed} in the end")
    return faults


def positions(said):
    """Gaps and repetitions in what one member is handed while a partition is its own."""
    position, last, faults = {}, {}, []
    for seen in said:
        if last.setdefault(seen.source, seen.member) != seen.member:
            # It joined anew, as somebody else.
            last[seen.source] = seen.member
            position = {key: at for key, at in position.items() if key[0] != seen.source}
        if seen.event == "found":
            position[seen.source, seen.details[1]] = seen.details[2]
        elif seen.event in ("gives", "loses"):
            position.pop((seen.source, seen.details[0]), None)
        elif seen.event == "polled":
            partition, first, after, count = seen.details
            expected = position.get((seen.source, partition), first)
            if first != expected or after - first != count:
                faults.append(f"{seen.member} was handed {count} records from {first} to {after} of {partition}, "
                              f"should go on at {expected}")
            position[seen.source, partition] = after
    return faults


def coverage(said, ends):
    """Records that nobody was handed."""
    handed = defaultdict(list)
    for seen in said:
        if seen.event == "polled":
            partition, first, after, _ = seen.details
            handed[partition].append((first, after))
    faults = []
    for partition, (_, end) in ends.items():
        reached = 0
        for first, after in sorted(handed[partition]):
            if first > reached:
                faults.append(f"nobody was handed {reached} to {first} of {partition}")
            reached = max(reached, after)
        if reached < end:
            faults.append(f"nobody was handed {reached} to {end} of {partition}")
    return faults


def counts(said):
    """Generations of all groups, and commits."""
    generations = {(seen.group, seen.generation) for seen in said if seen.event == "owns"}
    return len(generations), sum(seen.event == "committed" for seen in said)


def summary(said):
    generations, commits = counts(said)
    found = sum(seen.event == "found" for seen in said)
    return f"{generations} generations, {commits} commits, {found} times a partition was gone on with"


def self_test():
    """Every kind of fault must be found, and nothing where there is none."""
    good = """
        10 g a 1 owns [0,1]
        12 g a 1 found 11 0 0
        13 g a 1 polled 0 0 3 3
        15 g a 1 committed 14 0 3
        16 g a 1 gives 0
        17 g a 1 gives 1
        20 g a 2 owns [1]
        21 g b 2 owns [0]
        23 g b 2 found 22 0 3
        24 g b 2 polled 0 3 5 2
        26 g b 2 committed 25 0 5
    """
    ends = {"g": {0: (5, 5)}}

    def check(text, ends, expected):
        lines = [line.strip() for line in text.strip().splitlines()]
        said = [parse(line, ord(line.split()[2][0])) for line in lines]
        found = judge(sorted(said, key=lambda seen: seen.at), ends)
        assert bool(found) == bool(expected) and all(expected in fault for fault in found), (expected, found)

    check(good, ends, "")
    check(good.replace("20 g a 2 owns [1]", "20 g a 2 owns [0,1]"), ends, "0 is a's and b's in generation 2")
    check(good.replace("found 22 0 3", "found 22 0 2").replace("polled 0 3 5 2", "polled 0 2 5 3"), ends,
          "0 went back from 3 to 2 (found by b)")
    check(good.replace("committed 25 0 5", "committed 25 0 2"), {"g": {0: (3, 5)}}, "0 went back from 3 to 2 (committed")
    check(good, {"g": {0: (4, 5)}}, "0 went back from 5 to 4 in the end")
    check(good.replace("polled 0 3 5 2", "polled 0 3 5 1"), ends, "b was handed 1 records")
    check(good.replace("found 22 0 3", "found 22 0 4"), ends, "should go on at 4")
    check(good, {"g": {0: (5, 7)}}, "nobody was handed 5 to 7 of 0")
    check(good.replace("13 g a 1 polled 0 0 3 3", "13 g a 1 polled 0 0 2 2"), ends, "nobody was handed 2 to 3 of 0")


if __name__ == "__main__":
    self_test()
    print("the judge finds what is wrong")
