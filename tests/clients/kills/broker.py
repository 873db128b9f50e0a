"""A broker of ours as a process, to be killed and started again on the same data and ports."""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# Below the range from which connections take their ports: nothing takes ours while a killed broker is away.
PORTS = range(20_000, 31_000)
PATIENCE_S = 60


def free_ports(count):
    """The first of so many in a row."""
    for first in random.sample(PORTS, 200):
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise SystemExit("no free ports")


class Broker:
    """RINGMAIN is the binary; RINGMAIN_PLANTED, where that has them built in, names its bugs."""

    def __init__(self, name, settings):
        self.binary = os.environ.get("RINGMAIN", str(TARGET / "release" / "ringmain"))
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        self.port = free_ports(len(self.cpus))
        TARGET.mkdir(exist_ok=True)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=TARGET))
        self.log = self.directory / "broker.log"
        self.settings = [word for setting in settings for word in ("--set", setting)]
        self.process = None
        self.kills = 0

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def spawn(self):
        cpus = ",".join(map(str, self.cpus))
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--data", self.directory / "data", "--listen", self.bootstrap,
                 "--cores", cpus, *self.settings],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)

    def start(self):
        """Returns when it serves."""
        began = time.monotonic()
        self.spawn()
        for line in self.process.stdout:
            if line.startswith("try:"):
                threading.Thread(target=lambda out=self.process.stdout: list(out), daemon=True).start()
                return time.monotonic() - began
            if time.monotonic() - began > PATIENCE_S:
                break
        raise SystemExit(f"the broker does not start:\n{self.said()}")

    def said(self):
        return self.log.read_text("utf-8", "replace")[-4000:]

    def kill(self):
        """As kill -9 does; it must not have ended by itself before."""
        self.sound()
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def sound(self):
        if self.process.poll() is not None:
            raise SystemExit(f"the broker ended by itself: {self.process.returncode}\n{self.said()}")
        if "panicked" in self.log.read_text("utf-8", "replace"):
            raise SystemExit(f"the broker panicked:\n{self.said()}")

    def kill_and_start(self, dice):
        """One kill; sometimes it stays away for a while, sometimes it is killed again while it starts."""
        self.kill()
        if dice.random() < 0.3:
            time.sleep(dice.uniform(0, 1))
        if dice.random() < 0.15:
            self.spawn()
            time.sleep(dice.uniform(0, 0.1))
            self.process.kill()
            self.process.wait()
            self.kills += 1
        return self.start()

    def stop(self):
        self.sound()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        if status != 0:
            raise SystemExit(f"the broker does not stop in order: {status}\n{self.said()}")

    def run(self, *command):
        """One of its commands, by the same binary."""
        environment = {name: value for name, value in os.environ.items() if name != "RINGMAIN_PLANTED"}
        return subprocess.run([self.binary, *command, "--bootstrap", self.bootstrap], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE_S)

    def forget(self, good):
        """Ends it if need be; what went wrong keeps its data."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if good:
            shutil.rmtree(self.directory)
        else:
            print(f"what is left: {self.directory}")


def java(version=None):
    """The command that runs a class of tests/clients/java with the client of this version."""
    target = TARGET / "clients" / "java"
    target.mkdir(parents=True, exist_ok=True)
    build = ROOT / "tests" / "clients" / "java" / "build"
    path = subprocess.run([build] + ([version] if version else []), check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "TARGET": str(target)}).stdout.strip()
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", path]
