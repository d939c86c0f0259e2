"""Where events and rows lie: recorders of the `eventsourcing` library, the event mapper, and all SQL."""
