"""The law of an approval: items, cases, the legal clock, documents, licences."""
