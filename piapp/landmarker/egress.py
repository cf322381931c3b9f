"""Keeps the landmarker from talking to anybody.

MediaPipe's library reports usage to its vendor by itself and has no option against it (upstream issue 6291). Seccomp
filters belong to a thread and pass to the threads it starts, so a landmarker that is created in a filtered thread
can neither open a connection nor look up a name, while the publisher keeps its socket.
"""

from __future__ import annotations

import errno
import logging
import socket

log = logging.getLogger(__name__)

_SOCKET_TYPE_MASK = 0xF  # the rest of the argument are flags such as SOCK_CLOEXEC


def deny_sockets() -> bool:
    """Refuse sockets to the calling thread and to all threads that it starts from now on.

    `socket` answers EAFNOSUPPORT for every family but local datagrams, which the journal is written by; local streams
    are refused too, because name service daemons answer look-ups on them. Irrevocable for the thread; needs no
    privilege.

    Returns:
        False when this machine cannot filter; the reason is logged as a warning and the caller goes on.
    """
    try:
        # Loads libseccomp.so.2; on a machine without it this must not keep the program from working.
        import pyseccomp as seccomp  # noqa: PLC0415

        refuse = seccomp.ERRNO(errno.EAFNOSUPPORT)
        local = int(socket.AF_UNIX)
        stream = int(socket.SOCK_STREAM)
        rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
        rules.add_rule(refuse, "socket", seccomp.Arg(0, seccomp.NE, local))
        rules.add_rule(
            refuse,
            "socket",
            seccomp.Arg(0, seccomp.EQ, local),
            seccomp.Arg(1, seccomp.MASKED_EQ, _SOCKET_TYPE_MASK, stream),
        )
        rules.load()
    except (ImportError, OSError, RuntimeError) as error:
        log.warning(
            "MediaPipe's usage reports cannot be blocked from within on this machine (%s); "
            "rely on the systemd unit's IPAddressDeny or a firewall",
            error,
        )
        return False
    return True
