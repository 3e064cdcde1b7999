"""Programs that people use to talk to us (mini-programs, pages, partners' tills), and the documents these may send."""
