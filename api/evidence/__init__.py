"""What proves the log to those who trust neither database nor server: hash tree, tiles, signed checkpoints."""
