"""The project's own format -> one ``DomainCatalogue`` per domain."""
