"""The catalogue of approval items: definitions, publication, change control (CAT)."""
