"""The gate's two SQLite files: `journal.db`, which may not lose a row, and `replica.db`, which
can be thrown away and fetched again. The only place in the agent where SQL stands.
"""
