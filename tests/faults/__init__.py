"""Makes each operation on files fail once, as SQLite tests itself."""
