"""Offers from draft to rollback. One thing to know: the row of `offers` is what is given today, and changes only when
somebody else than its authors approves; every version there ever was stays whole in `offer_versions`."""
