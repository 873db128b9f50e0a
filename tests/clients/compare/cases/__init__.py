"""The questions. A case is a function from a broker to what is compared; its name is unique."""

import importlib
import pkgutil

CASES = {}
# The APIs that a case asks for beyond those which every broker here has: it is skipped where they are not offered.
NEEDS = {}


def case(name, question=None, needs=()):
    """Adds a case; without a question, a decorator."""
    if question is None:
        return lambda question: case(name, question, needs)
    assert name not in CASES, f"two cases are called {name}"
    CASES[name] = question
    NEEDS[name] = set(needs)
    return question


for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
    importlib.import_module(f"{__name__}.{module.name}")
