"""The project's own format -> one ``Catalogue`` per domain."""
