"""The program `tallyhold`: its commands, and the one place where the parts are wired together."""
