"""Statements of a month for owners and testers: opening, every movement, closing; from the log alone."""
