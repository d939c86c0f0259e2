"""The edges: HTTP, the command line, clocks, ids, settings, and the writing of events. Only main.py wires."""
