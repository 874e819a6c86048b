"""systemd takes the units, and what they start does what they are for with no more than they allow."""

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys

import pyseccomp

from surroundings import EXAMPLES, HERE, INSTALLED, Example, account, ended, inspected

SERVICE, TIMER = (EXAMPLES / "systemd" / f"source-zendesk-chat.{kind}" for kind in ("service", "timer"))


def settings(unit, name):
    """The values of a setting, with lines that are continued."""
    text = unit.read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def calls(names):
    """The system calls of a set such as @system-service, in which sets can stand."""
    lines = analyze("syscall-filter", *names).stdout.splitlines()
    listed = {line.strip() for line in lines if line.startswith(" ") and not line.strip().startswith("#")}
    sets = {name for name in listed if name.startswith("@")}
    return (listed - sets) | (calls(sorted(sets)) if sets else set())


def allowed():
    """The system calls that the service is left."""
    allow, deny = settings(SERVICE, "SystemCallFilter")
    return calls(allow.split()) - calls(deny.removeprefix("~").split())


class Systemd(Example):
    def setUp(self):
        super().setUp()
        # A system of its own, with the program and the units where they say they are.
        self.root = self.folder / "root"
        self.units = self.root / "etc/systemd/system"
        self.units.mkdir(parents=True)
        shutil.copytree("/usr/lib/systemd/system", self.root / "usr/lib/systemd/system", symlinks=True)
        for unit in (SERVICE, TIMER):
            shutil.copy(unit, self.units)
        place = self.root / INSTALLED.removeprefix("/")
        place.mkdir(parents=True)
        shutil.copy("/bin/true", place / "source-zendesk-chat")

    def verified(self):
        """What systemd has to say; it warns of most slips and ends with 0 all the same."""
        said = analyze("verify", "--man=no", f"--root={self.root}", SERVICE.name, TIMER.name)
        return said.returncode, said.stdout + said.stderr

    def test_they_are_verified(self):
        self.assertEqual(self.verified(), (0, ""))

    def test_they_are_verified_with_a_configuration_that_can_be_written(self):
        # As README.md beside the examples says.
        text = SERVICE.read_text()
        for before, after in (
            (r"^LoadCredential=.*\n", ""),
            (r"^DynamicUser=yes$", "User=reports"),
            (r"\$\{CREDENTIALS_DIRECTORY\}", "${STATE_DIRECTORY}"),
        ):
            text, changed = re.subn(before, after, text, flags=re.MULTILINE)
            self.assertEqual(changed, 1, before)
        self.assertNotRegex(text, "CREDENTIALS_DIRECTORY|LoadCredential=")
        (self.units / SERVICE.name).write_text(text)
        self.assertEqual(self.verified(), (0, ""))

    def test_slips_are_noticed(self):
        slips = (
            (SERVICE, "ProtectHome=", "ProtectHouse="),
            (SERVICE, "TimeoutStopSec=60", "TimeoutStopSec=6o"),
            (SERVICE, INSTALLED, "/usr/local/lib"),
            (TIMER, "*:17:00", "*:71:00"),
            (TIMER, "Persistent=true", "Persistent=ture"),
        )
        for unit, right, wrong in slips:
            with self.subTest(wrong):
                text = unit.read_text()
                self.assertIn(right, text)
                (self.units / unit.name).write_text(text.replace(right, wrong))
                self.assertNotEqual(self.verified(), (0, ""))
                shutil.copy(unit, self.units)

    def test_little_is_exposed(self):
        # On a scale from 0 to 10, of which 1.2 is what a program that talks to the network comes to.
        said = analyze("security", "--offline=true", "--threshold=15", "--no-pager", str(SERVICE))
        self.assertEqual(said.returncode, 0, said.stdout)

    def test_the_service_fills_its_dataset(self):
        (command,) = settings(SERVICE, "ExecStart")
        source = settings(SERVICE, "LoadCredential")[0].partition(":")
        credentials, states = self.folder / "credentials", self.folder / "state"
        credentials.mkdir()
        states.mkdir()
        variables = {"CREDENTIALS_DIRECTORY": str(credentials), "STATE_DIRECTORY": str(states)}
        command = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], command)
        program, *arguments = shlex.split(command.replace(INSTALLED, HERE))
        with account("--credentials", "client-credentials") as configuration:
            self.write(f"credentials/{source[0]}", configuration).chmod(0o400)
            credentials.chmod(0o500)
            for _ in range(2):
                code, output, talk = self.confined([program, *arguments], variables)
                self.assertEqual((code, output), (0, ""), talk)
        self.assertEqual(inspected(states / "zendesk-lake")["tables"]["chats"]["rows"], 300)
        self.assertEqual([path.name for path in credentials.iterdir()], [source[0]])

    def test_a_call_that_is_not_allowed_is_noticed(self):
        code, _, _ = self.confined(["/bin/true"], {})
        self.assertEqual(code, 0)
        unlike = "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"
        for command in (["/usr/bin/nice", "-n", "1", "/bin/true"], [sys.executable, "-c", unlike]):
            code, _, _ = self.confined(command, {}, without={"setpriority"})
            self.assertEqual(code, -signal.SIGSYS, command)

    def confined(self, command, variables, without=frozenset()):
        """Runs a command that dies of the first system call that the service is not left."""
        rules = pyseccomp.SyscallFilter(pyseccomp.KILL_PROCESS)
        for family in settings(SERVICE, "RestrictAddressFamilies")[0].split():
            number = pyseccomp.Arg(0, pyseccomp.EQ, getattr(socket, family))
            rules.add_rule(pyseccomp.ALLOW, "socket", number)
        for name in sorted(allowed() - {"socket"} - without):
            try:
                rules.add_rule(pyseccomp.ALLOW, name)
            except (OSError, RuntimeError):
                # It is one of another kind of machine.
                pass
        return ended(command, confine=rules.load, **variables)
