"""Sessions: who is signed in, through whom, on which device, and how a sign-in ends."""
