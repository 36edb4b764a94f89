"""Data sets that clients upload: received, unpacked, described, shown and deleted."""
