"""compare-kafka KAFKA-HOST:PORT OTHER-HOST:PORT

Asks both brokers the same raw questions (compare/cases) and compares the decoded answers, field by field: error codes
above all. Ids, addresses and times are set aside. Words of explanation must be where Kafka has some, more are welcome
(--messages compares the words themselves).
Differences that are meant are listed with their reason in compare/intended.txt; any other one, any case that cannot be
asked, and any line of that list which excuses nothing, makes the exit status 1.
"""

import argparse
import fnmatch
import json
import pathlib
import sys
import time
import traceback

from .broker import EXPLANATIONS, Broker, comparable
from .cases import CASES, NEEDS

NOTHING = "(nothing)"
FEW = 6  # differences of one case that are printed


def flat(value, path=""):
    """Leaves by path: {"Topics.0.ErrorCode": 3}."""
    if isinstance(value, dict) and value:
        items = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
    else:
        return {path: value}
    leaves = {}
    for key, one in items:
        leaves.update(flat(one, f"{path}.{key}" if path else str(key)))
    return leaves


def intended():
    """(pattern of cases, pattern of paths, reason) of each line `CASE PATH reason`."""
    lines = (pathlib.Path(__file__).parent / "intended.txt").read_text().splitlines()
    return [tuple(line.split(None, 2)) for line in lines if line.strip() and not line.startswith("#")]


def ask(broker, case, messages):
    try:
        return comparable(broker, case(broker), messages=messages), None
    except Exception:
        return None, "".join(traceback.format_exc(limit=-2))


def main():
    parser = argparse.ArgumentParser(prog="compare-kafka", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kafka", metavar="KAFKA-HOST:PORT")
    parser.add_argument("other", metavar="OTHER-HOST:PORT")
    parser.add_argument("--case", action="append", metavar="PATTERN", help="only cases of such a name, like produce-*")
    parser.add_argument("--messages", action="store_true", help="compare the words of explanation too")
    parser.add_argument("--verbose", action="store_true", help="print Kafka's answer to every case, and the differences which are meant")
    options = parser.parse_args()
    salt = int(time.time() * 1000)
    kafka, other = Broker(options.kafka, f"cmp-{salt}-a"), Broker(options.other, f"cmp-{salt}-b")
    same = differing = meant = broken = skipped = 0
    excuses = intended()
    idle = set(excuses)
    offered = {api["ApiKey"] for api in other.ask("ApiVersions", 0)["ApiKeys"]}
    for name, case in CASES.items():
        if options.case and not any(fnmatch.fnmatch(name, pattern) for pattern in options.case):
            continue
        if lacking := NEEDS[name] - offered:
            skipped += 1
            print(f"skip {name}: the other one does not offer {sorted(lacking)}")
            idle -= {excuse for excuse in excuses if fnmatch.fnmatch(name, excuse[0])}
            continue
        (left, failure), (right, other_failure) = (ask(one, case, options.messages) for one in (kafka, other))
        if options.verbose:
            print(f"     {name}\n{json.dumps(left, indent=1)}")
        if failure or other_failure:
            broken += 1
            for who, text in (("kafka", failure), ("other", other_failure)):
                if text:
                    print(f"FAIL {name}: could not be asked at {who}:\n{text}")
            continue
        left, right, bad = flat(left), flat(right), []
        for path in [*left, *(path for path in right if path not in left)]:
            one, two = left.get(path, NOTHING), right.get(path, NOTHING)
            if one == two or two is True and path.rpartition(".")[2] in EXPLANATIONS:
                continue
            excuse = next((excuse for excuse in excuses
                           if fnmatch.fnmatch(name, excuse[0]) and fnmatch.fnmatch(path, excuse[1])), None)
            idle.discard(excuse)
            if excuse is None:
                bad.append(f"DIFF {name}: {path}: kafka {one!r}, other {two!r}")
            else:
                meant += 1
                if options.verbose:
                    print(f"meant {name}: {path}: kafka {one!r}, other {two!r} ({excuse[2]})")
        shown = bad if options.verbose else bad[:FEW]
        print("".join(line + "\n" for line in shown), end="")
        if len(bad) > len(shown):
            print(f"DIFF {name}: and {len(bad) - len(shown)} fields more")
        same, differing = same + (not bad), differing + bool(bad)
    # An excuse for what no longer differs would hide the next difference.
    idle = [] if options.case else [excuse for excuse in excuses if excuse in idle]
    for excuse in idle:
        print(f"IDLE {' '.join(excuse)}")
    print(f"{same + differing + broken + skipped} cases: {same} alike, {differing} different, {broken} not asked, "
          f"{skipped} skipped; {meant} differences are meant")
    return 1 if differing or broken or idle or not same else 0


sys.exit(main())
