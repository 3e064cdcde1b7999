"""Notes once a minute which cases are overdue, for nobody may be looking. One thing to know: nothing depends on it; a
disputed record stays out of use whether or not it was noted."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager

from api.cases import look_for_overdue
from api.context import State
from api.jobs.background import repeating

log = logging.getLogger("xinyi.cases")
SECONDS_BETWEEN = 60


def escalating(state: State) -> AbstractAsyncContextManager[None]:
    """Look in the background as long as the application runs."""
    return repeating(lambda: look_for_overdue(state, now=state.clock()), seconds=SECONDS_BETWEEN, log=log)
