"""Whom one may be in the demo city. One thing to know: `xinyi demo-token` and `POST /sign-in/demo` take these words."""

from __future__ import annotations

FIRST_SECTORS = ("bank", "hospital", "scenic")
LATER_SECTORS = ("parking", "hotel", "property", "transport", "hall", "household", "elder-care", "shop", "park")
SECTORS = (*FIRST_SECTORS, *LATER_SECTORS)
ROLES = (
    "citizen",
    "enterprise",
    *FIRST_SECTORS,
    "operator",
    "reviewer",
    "auditor",
    "provider",
    "clerk",
    "representative",
    "agency",
    *LATER_SECTORS,
)
