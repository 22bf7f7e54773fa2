"""Keeps the libraries' own chatter off a user's terminal: our sentences say what matters."""

import os
import sys
import warnings

_SILENT = {"TRANSFORMERS_VERBOSITY": "critical", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def quiet_libraries() -> None:
    """Silence warnings and progress bars of libraries; to be called before they are imported.

    What a user has set (`TRANSFORMERS_VERBOSITY`, `python -W`) stays.
    """
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
