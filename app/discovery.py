"""The plug-in finder: a file in a plug-in folder is a plug-in, its name is the registry key."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import ModuleType


@functools.cache
def find_plugins(package: str) -> dict[str, ModuleType]:
    """All modules directly inside ``package`` ("app.ranking", "pages"), by file name, in alphabetical order.

    The key is what the database and the command line store, so a file is never renamed once released.
    """
    folder = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_"))
    return {name: importlib.import_module(f"{package}.{name}") for name in names}


def plugin_names(package: str) -> list[str]:
    """The keys of ``find_plugins`` without importing the plug-ins."""
    folder = importlib.import_module(package)
    return sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_"))
