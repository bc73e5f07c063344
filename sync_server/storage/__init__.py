"""The one place with SQL: schema, the writing and reading threads, and queries by room."""
