"""A pytest plugin: one line a test on standard output, as tests/clients/run reads them; the rest is its log.

    python -m pytest -p lines ...    with this folder in PYTHONPATH
"""

import sys


def say(word, report, why=""):
    name = report.nodeid.split("::", 1)[-1]
    why = " ".join(str(why).split())[:300]
    print(f"\n{word} {name}{': ' + why if why else ''}", file=sys.__stdout__, flush=True)


def pytest_runtest_logreport(report):
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        say("FAIL", report, f"{report.when}: {crash.message if crash else report.longrepr}")
    elif report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        say("skip", report, str(why).removeprefix("Skipped: "))
    elif report.when == "call":
        say("ok", report)


def pytest_collectreport(report):
    if report.failed:
        say("FAIL", report, report.longrepr)
