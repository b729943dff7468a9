# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster of several nodes on this machine, in one directory: munge, a controller, and a daemon for each node.

The nodes share a host name, so their daemons differ by name and port, and each gives its tasks a directory of its own
for Open MPI's shared memory.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

DAEMONS = ("munged", "slurmctld", "slurmd")
CONF = """\
ClusterName=assay
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits as long as credentials live.
AuthInfo=socket={root}/munge/socket,cred_expire=5
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/%n/spool
TmpFS={root}/%n/tmp
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/%n/slurmd.log
TaskProlog={root}/prolog
Epilog={root}/epilog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=pmix
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=5
MinJobAge=600
TCPTimeout=2
SlurmdParameters=config_overrides
NodeName={first} NodeHostname={host} NodeAddr=127.0.0.1 Port={nodeports} CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=5 State=UP
"""
PROLOG = """\
#!/bin/sh
d={shared}.$SLURM_JOB_ID.$SLURMD_NODENAME
mkdir -p "$d"
echo "export OMPI_MCA_btl_vader_backing_directory=$d"
"""
EPILOG = """\
#!/bin/sh
rm -rf {shared}.$SLURM_JOB_ID.$SLURMD_NODENAME
"""


class Unavailable(Exception):
    """Slurm cannot be started here; the text says why."""


def until(what, seconds=20, step=0.05):
    """Waits until what() is true, and returns it; None when it never was."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            return None
        time.sleep(step)


def free_ports(n):
    """Consecutive ports that nobody listens on."""
    for first in range(17000 + os.getpid() % 10000, 60000, n):
        sockets = [socket.socket() for _ in range(n)]
        try:
            for i, s in enumerate(sockets):
                s.bind(("127.0.0.1", first + i))
            return list(range(first, first + n))
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise Unavailable("no free ports")


def environment_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


class Cluster:
    def __init__(self, root, nodes=4, cpus=4):
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        missing = [d for d in DAEMONS if not shutil.which(d, path=path)]
        if missing:
            raise Unavailable(f"not installed: {', '.join(missing)} (packages slurm-wlm and munge)")
        self.root, self.names, self.processes = pathlib.Path(root), [f"n{i + 1}" for i in range(nodes)], {}
        self.shared = f"/dev/shm/assay-slurm-{os.getpid()}"
        others = ("SLURM", "SBATCH", "PMI", "OMPI_COMM")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        # Connections between step daemons of one machine make Open MPI crash in MPI_Init once in thirty starts.
        self.environment["SLURM_PMIX_DIRECT_CONN"] = "false"
        self.environment.update(SLURM_CONF=str(self.root / "slurm.conf"), PATH=path)
        try:
            self.write(nodes, cpus)
            self.start()
        except BaseException:
            self.stop()
            raise

    def write(self, nodes, cpus):
        ports = free_ports(nodes + 1)
        text = CONF.format(host=socket.gethostname().split(".")[0], user=pwd.getpwuid(os.getuid()).pw_name, ports=ports,
                           root=self.root, first=f"n[1-{nodes}]", nodeports=f"[{ports[1]}-{ports[-1]}]", cpus=cpus)
        for folder in ("", "state", "munge", *(f"{n}/{part}" for n in self.names for part in ("spool", "tmp"))):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
            (self.root / folder).chmod(0o755)
        (self.root / "slurm.conf").write_text(text)
        # Slurm 22.05 loads a cgroup plug-in even if it tracks processes without.
        (self.root / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        for name, text in (("prolog", PROLOG), ("epilog", EPILOG)):
            (self.root / name).write_text(text.format(shared=self.shared))
            (self.root / name).chmod(0o755)
        key = self.root / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def spawn(self, name, *words):
        """A daemon in the foreground, so that its process is ours; a session of its own keeps signals away."""
        with open(self.root / f"{name}.out", "ab") as out:
            self.processes[name] = subprocess.Popen(list(map(str, words)), env=self.environment, start_new_session=True,
                                                    stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def start(self):
        munge = self.root / "munge"
        self.spawn("munged", "munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--num-threads=2")
        if not until((munge / "socket").exists):
            raise Unavailable(f"munged does not start: {self.tail('munged.out')}")
        self.spawn("slurmctld", "slurmctld", "-D", "-c")
        for name in self.names:
            self.start_node(name)
        if not until(lambda: self.idle() == len(self.names), 30):
            raise Unavailable(f"the nodes do not come up: {self.tail('slurmctld.out')} {self.tail('n1.out')}")

    def start_node(self, name):
        self.spawn(name, "slurmd", "-D", "-N", name)

    def tail(self, name):
        path = self.root / name
        return path.read_text(errors="replace")[-400:].strip() if path.exists() else ""

    def ask(self, *words, check=True):
        done = subprocess.run(list(map(str, words)), env=self.environment, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.stderr}")
        return done.stdout.strip()

    def idle(self):
        """Nodes that have nothing to do."""
        return int(self.ask("sinfo", "-h", "-t", "idle", "-o", "%D", check=False) or 0)

    # ---- jobs
    def job(self, number):
        """What scontrol says of a job, as a dictionary."""
        words = self.ask("scontrol", "show", "job", number, "-o", check=False).split()
        return dict(w.split("=", 1) for w in words if "=" in w)

    def state(self, number):
        return self.job(number).get("JobState")

    # ---- nodes that fail
    def members(self, name):
        """A node's daemon, its step daemons, and everything they started."""
        parents = {int(p.name): parent_of(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()}
        mark = f"SLURMD_NODENAME={name}".encode()
        conf = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        found = {self.processes[name].pid}
        for pid in parents:
            environment = environment_of(pid)
            if mark in environment and conf in environment:
                found.add(pid)
                if self.is_step_daemon(parents[pid]):
                    found.add(parents[pid])
        return found

    @staticmethod
    def is_step_daemon(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("slurmstepd")
        except OSError:
            return False

    def crash(self, name):
        """SIGKILL for all of a node at once."""
        for pid in self.members(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.processes.pop(name).wait()

    def revive(self, name):
        shutil.rmtree(self.root / name / "spool")
        (self.root / name / "spool").mkdir()
        self.start_node(name)

    def stop(self):
        try:
            if "slurmctld" in self.processes and self.processes["slurmctld"].poll() is None:
                self.ask("scancel", "--full", "--user", pwd.getpwuid(os.getuid()).pw_name, check=False)
                until(lambda: not self.ask("squeue", "-h", check=False), 15)
        except subprocess.TimeoutExpired:
            pass  # a controller that does not answer
        for process in reversed(list(self.processes.values())):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for left in pathlib.Path("/dev/shm").glob(pathlib.Path(self.shared).name + ".*"):
            shutil.rmtree(left, ignore_errors=True)
