"""Every table there is: importing this registers them all. One thing to know: migrations, the audit of rows and the
renewal of keys go by it, so a table that is missing here would be missed by them."""

from __future__ import annotations

import partners.clients.tables
import partners.lending.tables
import partners.offline.tables
import partners.onboarding.tables
import partners.orders.tables
import partners.sandbox.tables
import partners.sessions.tables
import partners.settlement.tables
import partners.tables
import partners.wallet.tables
import partners.webhooks.tables  # noqa: F401
import scoring.cases.tables
import scoring.intake.tables
import scoring.queries.tables
import scoring.tables  # noqa: F401
from core import audit, checkpoints  # noqa: F401
