"""placeholder"""


class DemoFailed(Exception):
    pass


def play(path, reading):
    raise DemoFailed("not written")
