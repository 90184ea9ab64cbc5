"""The public hall: guides, forms, progress, questions and announcements for everybody, own cases for applicants.

Never a secret item, and never the name of somebody else.
"""
