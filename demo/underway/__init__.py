"""What is under way in the demo city: cases, deliveries, partners on their way in, offers that wait. One thing to know:
all of it is done by the functions that do it in the product, one after the other in order of time, so every rule held
and the audit trail has every act; it concerns people and partners that are not the foremost.

Content depends on the day alone; ids, nonces and keys are drawn anew in each city.
"""

from __future__ import annotations

from datetime import datetime

from core.database import Database
from core.files import Files
from core.keys import Keys
from demo.underway.casework import CASES
from demo.underway.deliveries import DELIVERIES
from demo.underway.joining import JOINING
from demo.underway.market import MARKET
from demo.underway.oversight import OVERSIGHT
from demo.underway.town import Town, tell
from partners.rulebook import Rulebook


async def let_things_happen(database: Database, *, files: Files, keys: Keys, rulebook: Rulebook, now: datetime) -> None:
    """Act in a city that `demo.city.seed_city` has just written, up to `now`."""
    town = Town(database, files, keys, rulebook, now)
    await tell(story(town) for story in (*DELIVERIES, *CASES, *JOINING, *MARKET, *OVERSIGHT))
