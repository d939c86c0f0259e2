"""The edges: HTTP, the command line, clocks, ids, settings, and the writing of events. Only program wires."""
