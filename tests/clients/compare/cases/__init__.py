"""The questions. A case is a function from a broker to what is compared; its name is unique."""

import importlib
import pkgutil

CASES = {}


def case(name, question=None):
    """Adds a case; without a question, a decorator."""
    if question is None:
        return lambda question: case(name, question)
    assert name not in CASES, f"two cases are called {name}"
    CASES[name] = question
    return question


for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
    importlib.import_module(f"{__name__}.{module.name}")
