"""The log from its first event on, in pages, through the library's recorder: the same on every store."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

from eventsourcing.persistence import MapperDeserialisationError

from api.service.ports import StoreFailed
from api.store.whole import check_whole
from domain.recorded import Recorded

PAGE = 1_000
Progress = Callable[[int, int], None]
"""Told after each page: events done, and all there are."""


class Application(Protocol):
    """What is needed of the library's application."""

    @property
    def recorder(self) -> Any: ...
    @property
    def mapper(self) -> Any: ...


class EventLog:
    """Reads the log of an application. A log that grows meanwhile is read up to the position that was asked for."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def position(self) -> int:
        """The position of the last event; 0 for an empty log."""
        return cast(int, self._application.recorder.max_notification_id() or 0)

    def events(self, upto: int, progress: Progress, after: int = 0) -> Iterator[Recorded[Any]]:
        """Raises StoreFailed, naming the position of an event that cannot be read; Unavailable if one is missing."""
        while after < upto:
            end = min(after + PAGE, upto)
            page = self._page(after, end)
            check_whole((notification.id for notification in page), range(after + 1, end + 1))
            for notification in page:
                yield self._recorded(notification)
            after = end
            progress(after, upto)

    def check_newest(self) -> None:
        """Raises StoreFailed if another version of this program has written events that this one cannot read.

        A look at the end of the log tells it as soon as that matters, however long the log is.
        """
        end = self.position()
        for notification in self._page(max(0, end - PAGE), end):
            self._recorded(notification)

    def _page(self, after: int, upto: int) -> Sequence[Any]:
        page: Sequence[Any] = self._application.recorder.select_notifications(
            after, PAGE, upto, inclusive_of_start=False
        )
        return page

    def _recorded(self, notification: Any) -> Recorded[Any]:
        try:
            return cast(Recorded[Any], self._application.mapper.to_domain_event(notification))
        except MapperDeserialisationError as error:
            raise StoreFailed(str(error).rstrip(".")) from error
