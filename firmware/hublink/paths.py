"""Several ways to the same bridge: a Link for each transport, and at most one session among them.

While one has the session the others stand by. The newest OPEN wins: one that comes on a standby path ends the session
of the other path, and that path says HELLO anew, because the cursors in what it said before are older than the session
that has just ended. So the owner sees ups and downs in turn, as if there were one link.
"""

from hublink.link import IDLE


class Paths:
    """The hub's links. The owner moves their bytes and timers itself, and takes their events from here."""

    def __init__(self, links):
        self.links = links
        self.session = None  # the link that is up
        for link in links[1:]:
            link.in_hand = links[0].in_hand  # what the owner holds, it holds whichever way it came

    @property
    def is_up(self):
        return self.session is not None

    def send(self, name, *values):
        """As `Link.send`, on the path that has the session."""
        return self.session is not None and self.session.send(name, *values)

    def grant(self, channel, count=1):
        """As `Link.grant`; whether there is something to send then. A path that waits for a session offers it in its
        next HELLO."""
        due = False
        in_hand = self.links[0].in_hand
        count = min(count, in_hand[channel])
        if count:
            in_hand[channel] -= count
            for link in self.links:
                if not link.standby:  # one on standby counts anew when it is free
                    due = link.give(channel, count) or due
        return due

    def start(self, link, now):
        """The link's transport begins, or begins anew: a session that it had is over."""
        if link.state == IDLE:
            link.start(now)
        else:
            link.close(now)

    def next_event(self, now):
        """The next event of any path; what is said of a path itself is settled here."""
        for link in self.links:
            while True:
                event = link.next_event()
                if event is None:
                    break
                kind = event[0]
                if kind == "wanted":
                    self._make_room(link, now)
                    return self.next_event(now)
                if kind == "up":
                    self.session = link
                    self._stand_by(True, now)
                elif kind == "down":
                    self.session = None
                    self._stand_by(False, now)
                return event
        return None

    def _make_room(self, link, now):
        """A bridge wants its session on this path."""
        if self.session is not None:
            self.session.close(now)
        else:
            link.stand_by(False, now)

    def _stand_by(self, standby, now):
        for link in self.links:
            if link is not self.session:
                link.stand_by(standby, now)
