"""Whether a process is alive: yes, no, or not known here."""

import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aen._processes import Process, process_start, this_machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
NEW_USER, NEW_PID = 0x10000000, 0x20000000  # of unshare(2)


def process(pid: int) -> Process:
    return Process(this_machine(), pid, process_start(pid))


def in_a_fork(answer, before=lambda: None):
    """Return the text that `answer` returns in a fork of this process."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            before()
            os.write(write, str(answer()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


def test_this_process_is_alive():
    assert Process.this().is_alive() is True
    assert Process.this() == process(os.getpid())


def test_a_process_that_ended_is_not_alive_also_before_its_parent_noticed():
    with subprocess.Popen(["sleep", "60"]) as child:
        known = process(child.pid)
        assert known.is_alive() is True
        child.send_signal(signal.SIGSTOP)
        assert known.is_alive() is True
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert known.is_alive() is False  # a zombie
    assert known.is_alive() is False


def test_a_later_process_of_the_same_number_is_not_it():
    this = Process.this()
    assert replace(this, start=this.start - 1).is_alive() is False
    assert replace(this, start=None).is_alive() is None


@pytest.mark.parametrize("pid", [0, -1, 2**40])
def test_what_is_no_number_of_a_process_is_not_known(pid):
    assert Process(this_machine(), pid, 1).is_alive() is None


@pytest.mark.parametrize("pid", [None, 999_999_999])
def test_of_another_boot_or_container_nothing_is_known(pid):
    boot, namespace = this_machine().split()
    this = replace(Process.this(), pid=pid or os.getpid())
    for machine in (None, f"00000000-{boot[9:]} {namespace}", f"{boot} pid:[1]"):
        assert replace(this, machine=machine).is_alive() is None


def test_the_process_of_another_user_is_alive():
    if os.getuid():
        pytest.skip("only root may become another user")
    this = Process.this()
    assert in_a_fork(this.is_alive, before=lambda: os.setuid(65534)) == "True"


@pytest.mark.parametrize("own_proc", [True, False], ids=["own /proc", "/proc of the host"])
def test_containers_of_one_machine_know_nothing_of_each_other(own_proc):
    """Both have a process 1 or so; their host has one boot and may have one name."""
    flags = NEW_PID | (NEW_USER if os.getuid() else 0)
    if in_a_fork(lambda: ctypes.CDLL(None).unshare(flags)) != "0":
        pytest.skip("this user may not make PID namespaces")
    package = Path(__file__).parents[2]
    code = (
        f"import sys; sys.path.insert(0, {str(package)!r}); import os; from aen._processes import *; "
        "print(os.getpid(), this_machine(), Process.this().is_alive())"
    )
    command = ["unshare", *(["--map-root-user"] if os.getuid() else []), "--pid", "--fork"]
    command += ["--mount-proc"] if own_proc else []
    said = subprocess.run([*command, sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    pid, machine, alive = said.split(maxsplit=1)[0], said.split(" ", 1)[1].rsplit(maxsplit=1)[0], said.split()[-1]
    assert pid == "1"
    if own_proc:
        assert machine.split()[0] == this_machine().split()[0]  # one boot
        assert machine != this_machine()
        assert alive == "True"
        assert Process(machine, 1, 1).is_alive() is None
    else:
        assert (machine, alive) == ("None", "None")
