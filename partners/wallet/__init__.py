"""Credentials for wallets: issued to a holder's keys, presented over OpenID4VP, decided about like a code."""
