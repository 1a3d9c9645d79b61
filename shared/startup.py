"""What the operating system lets a process have."""

import resource


def raise_open_files() -> None:
    """Every stream holds a socket: take all the file descriptors the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says infinity and means this.
    most = 10_240 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
