"""`site2crm service`: a systemd unit for this installation, with the paths that it has; or one for two, by port."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from site2crm.commands import options
from site2crm.commands.options import Exit

STATE = Path("/var/lib")
HOMES = ("/home", "/root")
SINGLE_FILE = "SITE2CRM_SINGLE_FILE"
"""Where the single file is; it says so to the program that it has unpacked."""

ONE = """\
# Runs Site2CRM at boot, starts it again when it fails, and lets it write its own folder only. Put it to
# /etc/systemd/system/site2crm.service, then: systemctl daemon-reload && systemctl enable --now site2crm
# The link that makes the owner is in: journalctl -u site2crm
"""
TWO = """\
# Runs Site2CRM by the port it listens on, so that a new version can start beside the old one and follow it. Put it to
# /etc/systemd/system/site2crm@.service, then: systemctl daemon-reload && systemctl enable --now site2crm@8080
# An upgrade, once the program is the new one:
#   systemctl enable --now site2crm@8081 && systemctl disable --now site2crm@8080      (the next one: back again)
"""
UNIT = """\
{head}[Unit]
Description=Site2CRM: links, forms, leads
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=60
Restart=always
RestartSec=1
# A migration of a large database takes what it takes; "ready" is said once the port answers.
TimeoutStartSec=infinity
TimeoutStopSec=60
User={user}
Group={user}
ExecStart={start}
ExecReload=/bin/kill -HUP $MAINPID
{folders}
UMask=0077
LimitNOFILE=65536

CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome={home}
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""


@click.command("service")
@options.common
@click.option("--user", default="site2crm", show_default=True, help="Who runs it.")
@click.option("--template", is_flag=True, help="A unit by port, site2crm@.service: for upgrades without a pause.")
def command(*, config_path: Path | None, data_dir: Path | None, as_json: bool, user: str, template: bool) -> None:
    """Print a systemd unit that runs this installation with this configuration."""
    settings = options.settings(config_path, data_dir)
    config = (config_path or options.DEFAULT_CONFIG).absolute()
    if not config.exists():
        options.stop(Exit.CONFIG, f"there is no {config}; site2crm init writes one to begin with.")
    text = render(
        _called(os.environ),
        config,
        settings.data.dir.absolute(),
        user=user,
        port=settings.server.listen.port,
        unpacks=SINGLE_FILE in os.environ,
        host=str(settings.server.listen).rpartition(":")[0] if template else "",
    )
    options.answer(as_json, {"unit": text}, text.rstrip("\n"))


def render(
    called: Sequence[str], config: Path, data_dir: Path, *, user: str, port: int, unpacks: bool, host: str = ""
) -> str:
    """The unit. A data folder below /var/lib is made by systemd; any other has to be there, owned by `user`.

    With `host` it is the template of several, each listening there on the port that it is called by.
    """
    start = " ".join(_quoted(word) for word in (*called, "serve", "--config", str(config)))
    if host:
        start += f" --listen {host}:%i --standby"
    if data_dir.is_relative_to(STATE) and data_dir != STATE:
        folders = [f"StateDirectory={data_dir.relative_to(STATE)}", "StateDirectoryMode=0700"]
    else:
        folders = [f"ReadWritePaths={_quoted(str(data_dir))}"]
    at_home = any(Path(path).is_relative_to(home) for path in (*called, str(config), str(data_dir)) for home in HOMES)
    return UNIT.format(
        user=user,
        head=TWO if host else ONE,
        start=start,
        folders="\n".join([*folders, "CacheDirectory=site2crm"] if unpacks else folders),
        home="read-only" if at_home else "yes",
        capabilities="CAP_NET_BIND_SERVICE" if port < 1024 else "",
    )


def _called(environment: Mapping[str, str]) -> list[str]:
    """How this program was called, links kept: an upgrade moves the link."""
    if single := environment.get(SINGLE_FILE):
        return [str(Path(single).absolute())]
    if getattr(sys, "frozen", False):
        return [str(Path(shutil.which(sys.argv[0]) or sys.executable).absolute())]
    return [sys.executable, "-m", "site2crm"]


def _quoted(word: str) -> str:
    """As systemd reads a command line: a percent sign begins one of its own names."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if any(sign in word for sign in " \\\"'") else escaped
