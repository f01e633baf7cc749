"""What stores do in SQL, whoever carries it out.

Each operation is a script: a generator that yields statements, is sent the rows and returns the answer. It runs within
one transaction and knows nothing of connections, so that the synchronous `sqlite3` and the asynchronous SQLAlchemy run
the same ones. What is decided is decided by the ledger, between what a script has read and what it writes.
"""
