"""Kind D of the catalogue: the credential chain has failures of its own, and words for each."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import pty
import signal
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from asyncload.s3 import opening as s3_client
from tests.support.loads import write_files
from tests.support.processes import wait_for_end
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, put_accepted, scripted_s3

OPTIONS = ("--bucket", "lake", "--date", "2022-05-02", "--no-manifest", "--json")
START_URL = "https://people.awsapps.com/start"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose `.aws` is empty, and which the program takes for its own."""
    folder = tmp_path / "home"
    (folder / ".aws" / "sso" / "cache").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    cache = str(folder / ".aws" / "sso" / "cache")
    monkeypatch.setattr("botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR", cache)
    return folder


@pytest.fixture
def configured(home):
    """Write `.aws/config`."""

    def write(text):
        (home / ".aws" / "config").write_text(text)

    return write


@pytest.fixture
def run(asyncload, volume):
    """Load twenty files into a store that takes all; yields what ended and the store's requests."""
    write_files(volume, {f"{n:02}.csv": b"%d" % n for n in range(20)})

    def go(*options, lane=True, answer=None):
        with scripted_s3(answer or accept_all) as (url, requests):
            more = [] if lane else ["--no-fast-lane"]
            ended = asyncload("run", volume, *OPTIONS, "--endpoint-url", url, *more, *options)
        return ended, requests

    return go


def accept_all(request):
    return EMPTY_LISTING if request.method == "GET" else put_accepted(request)


def error_of(ended):
    return json.loads(ended.out.replace('"seconds":_', '"seconds":0').splitlines()[-1])["error"]


def check_refused(ended, requests, *words, hint=""):
    """Exit 5 with these words and no other error, and nothing was asked of the store."""
    assert ended.code == 5, ended.err
    assert requests == []
    error = error_of(ended)
    assert error["kind"] == "CredentialsMissing"
    for word in words:
        assert word in error["message"]
    assert hint in error["hint"]
    assert error["hint"]
    assert ended.err.count("error:") == 1
    return error


def in_an_hour(hours=1.0):
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    return until.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.fault("D1")
def test_a_web_identity_token_that_is_not_there_is_named(run, home, monkeypatch, lane):
    """IRSA's file, and where to look for the reason."""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/loader")
    ended, requests = run(lane=lane)
    words = ("web identity", str(home / "token"), "No such file")
    check_refused(ended, requests, *words, hint="Kubernetes")


@pytest.mark.fault("D1")
@pytest.mark.parametrize("variable", ["web identity", "pod identity"])
def test_a_token_that_may_not_be_read_is_named_with_the_user(run, home, monkeypatch, variable):
    """Root may read all, so the file is one that cannot be opened: a folder below a file."""
    (home / "file").touch()
    token = home / "file" / "token"
    if variable == "web identity":
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/loader")
    else:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/c")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
    ended, requests = run()
    check_refused(ended, requests, str(token), "can't be read")


@pytest.mark.fault("D5")
def test_a_container_token_with_a_line_end_is_named(run, home, monkeypatch):
    """Of the variable or the file."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/c")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary\r\n")
    ended, requests = run()
    check_refused(ended, requests, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "a line break")
    assert "canary" not in ended.out + ended.err


@pytest.mark.fault("D4")
def test_a_container_endpoint_on_another_machine_is_named(run, home, monkeypatch, lane):
    """Not the endpoint of the store, and with the variable."""
    uri = "http://credentials.example.com/v2"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)
    ended, requests = run(lane=lane)
    words = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "credentials.example.com")
    check_refused(ended, requests, *words)


PROGRAMS = {
    "missing": ("no-such-program --x", ("no-such-program", "No such file"), "install"),
    "not executable": ("{home}/plain", ("plain", "Permission denied"), "executable"),
    "empty": ("''", ("can't be run",), ""),
    "blank": ("", ("is empty",), "by hand"),
    "unclosed quote": ("'sh -c", ("can't be run",), ""),
    "fails": ("sh -c 'echo no login >&2; exit 3'", ("exit code 3: no login",), "by hand"),
    "fails silently": ("sh -c 'exit 4'", ("exit code 4: it printed no error",), "by hand"),
    "is killed": ("sh -c 'kill -9 $$'", ("was ended by signal 9",), "by hand"),
    "prints nothing": ("true", ("printed nothing",), "JSON"),
    "no JSON": ("echo hello", ("printed no JSON",), "JSON"),
    "a list": ("echo []", ("is not an object",), "JSON"),
    "no version": ("echo {{}}", ('without "Version": 1',), "JSON"),
    "no keys": (
        """echo '{{"Version": 1}}'""",
        ("without AccessKeyId and SecretAccessKey",),
        "JSON",
    ),
    "a number": (
        """echo '{{"Version": 1, "AccessKeyId": 7, "SecretAccessKey": "s"}}'""",
        ("AccessKeyId is not a string",),
        "JSON",
    ),
    "a bad date": (
        """echo '{{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}}'""",
        ("soon",),
        "",
    ),
    "has expired": (
        """echo '{{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s",
        "Expiration":"2020-01-01T00:00:00Z"}}'""",
        ("have expired",),
        "clock",
    ),
}


@pytest.mark.fault("D3")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_credential_process_that_gives_none_is_named(run, home, configured, program):
    """With the profile, what it did, and what to do; the endpoint is not blamed."""
    command, words, hint = PROGRAMS[program]
    (home / "plain").write_text("#!/bin/sh\n")
    command = command.format(home=home).replace("\n        ", "")
    configured(f"[profile lake]\ncredential_process = {command}\n")
    ended, requests = run("--profile", "lake")
    error = check_refused(ended, requests, "credential_process of profile 'lake'", *words)
    assert hint in error["hint"]
    assert "--endpoint-url" not in error["message"] + error["hint"]


ACCESS_KEY = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-canary-of-forty-characters-long-x",
    "AWS_SESSION_TOKEN": "token-canary",
}


@pytest.mark.fault("D5")
@pytest.mark.parametrize(
    ("added", "words"),
    [
        ("\n", "ends in a newline"),
        ("\r", "ends in a carriage return"),
        (" ", "ends in white space"),
    ],
    ids=["newline", "carriage return", "space"],
)
@pytest.mark.parametrize("variable", ACCESS_KEY)
def test_a_value_that_ends_in_what_was_pasted_with_it_is_named(
    run, monkeypatch, variable, added, words, lane
):
    """At once: nothing is asked of anybody, and the value is not repeated."""
    for name, value in ACCESS_KEY.items():
        monkeypatch.setenv(name, value + (added if name == variable else ""))
    ended, requests = run("--region", "us-east-1", lane=lane)
    called = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret access"}
    check_refused(ended, requests, called.get(variable, "session token"), words, hint="printf")
    assert "canary" not in ended.out + ended.err


@pytest.mark.fault("D5")
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("AKIA\\u0007X", "contains a control character"),
        ("AKIA\\u00a0X", "contains"),
        ("AKIA\\u00c4X", "not ASCII"),
        (" AKIAX", "begins with white space"),
        ("AKIAX\\n", "ends in a newline"),
    ],
)
def test_a_value_of_a_program_is_looked_at_too(run, configured, value, words):
    """For each provider."""
    printed = f'{{"Version": 1, "AccessKeyId": "{value}", "SecretAccessKey": "s"}}'
    configured(f"[profile lake]\ncredential_process = printf '%s' '{printed}'\n")
    ended, requests = run("--profile", "lake")
    check_refused(ended, requests, "access key id", "credential_process", words)


TOKEN_KEY = hashlib.sha1(b"people").hexdigest()
SSO = """
[profile lake]
sso_session = people
sso_account_id = 123456789012
sso_role_name = loader
[sso-session people]
sso_start_url = https://people.awsapps.com/start
sso_region = us-east-1
"""


def sso_token(hours=8.0, **more):
    token = {
        "startUrl": START_URL,
        "region": "us-east-1",
        "accessToken": "access-canary-" + "x" * 30,
    }
    return json.dumps(token | {"expiresAt": in_an_hour(hours)} | more)


REFRESHABLE = {
    "clientId": "client",
    "clientSecret": "client-canary-" + "x" * 30,
    "refreshToken": "refresh-canary-" + "x" * 30,
    "registrationExpiresAt": in_an_hour(500),
}


class People:
    """Answers as SSO's portal and its OIDC service do."""

    def __init__(self):
        self.requests = []
        self.roles = Answer(200, json.dumps({"roleCredentials": self.credentials()}).encode())
        self.tokens = Answer(
            200, json.dumps({"accessToken": "new-canary-" + "x" * 30, "expiresIn": 28800}).encode()
        )

    def credentials(self, minutes=60):
        return {
            "accessKeyId": "ASIASSO",
            "secretAccessKey": "secret",
            "sessionToken": "token",
            "expiration": int((time.time() + 60 * minutes) * 1000),
        }

    def __call__(self, request):
        self.requests.append(request)
        answer = self.tokens if request.path == "/token" else self.roles
        return answer() if callable(answer) else answer


@pytest.fixture
def people(configured, monkeypatch):
    """SSO's services on loopback, and a profile that uses them."""
    configured(SSO)
    service = People()
    with scripted_s3(service) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO_OIDC", url)
        yield service


@pytest.fixture
def token_file(home):
    return home / ".aws" / "sso" / "cache" / f"{TOKEN_KEY}.json"


@pytest.mark.fault("D2")
def test_a_refreshed_sso_token_that_can_not_be_saved_is_used(
    run, people, token_file, lane, monkeypatch
):
    """It is the only one that is good now; the run lands all, and says what could not be saved."""
    sealed = os.memfd_create("token", os.MFD_ALLOW_SEALING)
    os.write(sealed, sso_token(0.05, **REFRESHABLE).encode())
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, seals)
    token_file.symlink_to(f"/proc/self/fd/{sealed}")
    ended, requests = run("--profile", "lake", lane=lane)
    os.close(sealed)
    assert ended.code == 0, ended.err
    assert sum(request.method == "PUT" for request in requests) == 20
    assert "the refreshed SSO token can't be saved" in ended.err
    assert "aws sso login --profile lake" in ended.err
    bearers = [r.headers.get("x-amz-sso_bearer_token", "") for r in people.requests]
    assert bearers[-1].startswith("new-canary")
    assert "canary" not in ended.out + ended.err


@pytest.mark.fault("D2")
def test_a_refreshed_sso_token_is_saved_if_possible(run, people, token_file):
    """For the next run."""
    token_file.write_text(sso_token(0.05, **REFRESHABLE))
    ended, _ = run("--profile", "lake")
    assert (ended.code, "can't be saved" in ended.err) == (0, False)
    assert json.loads(token_file.read_text())["accessToken"].startswith("new-canary")


EXPIRED_SSO = {
    "nobody logged in": (None, {}),
    "no JSON": ("{", {}),
    "expired": (sso_token(-1), {}),
    "refresh refused": (
        sso_token(-1, **REFRESHABLE),
        {
            "tokens": Answer(
                400, b'{"error": "invalid_grant"}', {"x-amzn-ErrorType": "InvalidGrantException"}
            )
        },
    ),
    "session ended": (
        sso_token(),
        {"roles": Answer(401, b'{"message": "no"}', {"x-amzn-ErrorType": "UnauthorizedException"})},
    ),
}


@pytest.mark.fault("D10")
@pytest.mark.parametrize("state", EXPIRED_SSO)
def test_an_sso_session_that_is_over_names_the_way_to_log_in(run, people, token_file, state):
    """`aws sso login`, with the profile."""
    token, answers = EXPIRED_SSO[state]
    if token is not None:
        token_file.write_text(token)
    vars(people).update(answers)
    ended, requests = run("--profile", "lake")
    error = check_refused(ended, requests, "SSO, profile 'lake'", "expired")
    assert error["hint"] == "run `aws sso login --profile lake`"
    assert "canary" not in ended.out + ended.err


@pytest.mark.fault("D10")
def test_the_profile_that_a_role_is_assumed_from_is_the_one_to_log_in_with(run, people, configured):
    """Not the role's own."""
    role = "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/loader\n"
    configured(f"{SSO}{role}source_profile = lake\n")
    ended, requests = run("--profile", "role")
    error = check_refused(ended, requests, "SSO, profile 'lake'")
    assert error["hint"] == "run `aws sso login --profile lake`"


SLOW = """[profile lake]
credential_process = sh -c 'sleep 3; printf %s "$0"' '{"Version": 1, "AccessKeyId": "AKIASLOW",
    "SecretAccessKey": "s"}'
"""


@pytest.mark.fault("D6")
def test_a_provider_that_waits_for_a_person_gets_a_persons_time(run, configured, lane, monkeypatch):
    """Longer than a machine's, and one line says what is waited for."""
    monkeypatch.setattr(s3_client, "_CREDENTIALS_SECONDS", 2.0)
    configured(SLOW.replace("\n    ", ""))
    ended, _ = run("--profile", "lake", lane=lane)
    assert ended.code == 0, ended.err
    waiting = "waiting for the credential_process of profile 'lake' (sh), up to 5 min"
    assert ended.err.count(waiting) == 1


def alive(pid):
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
        return state.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


HANGS = """[profile lake]
credential_process = sh -c 'sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait'
"""


@pytest.mark.fault("C9")
def test_a_credential_process_that_is_given_up_ends_with_what_it_started(
    run, home, configured, monkeypatch
):
    """The shell and its sleep."""
    monkeypatch.setattr(s3_client, "_PERSON_SECONDS", 2.0)
    configured(HANGS.format(pids=home / "pids"))
    ended, requests = run("--profile", "lake")
    check_refused(ended, requests, "credential_process of profile 'lake'", "took longer than 2 s")
    wait_for_end({int(pid) for pid in (home / "pids").read_text().split()})


@pytest.mark.fault("C9")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_credential_process_ends_with_an_interrupted_run(spawn, volume, home, configured, signum):
    """At once, and the exit code is the signal's."""
    write_files(volume, {"a.csv": b"1"})
    configured(HANGS.format(pids=home / "pids"))
    process = spawn("run", volume, *OPTIONS, "--profile", "lake", start_new_session=True)
    while not (home / "pids").exists():
        time.sleep(0.05)
    process.send_signal(signum)
    assert process.wait(60) == 128 + signum
    wait_for_end({int(pid) for pid in (home / "pids").read_text().split()})


def test_what_a_credential_process_leaves_running_on_purpose_is_left_alone(run, home, configured):
    """An agent that keeps its output open: it is not waited for, and not ended."""
    printed = '{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s"}'
    configured(
        "[profile lake]\ncredential_process = "
        f"sh -c 'sleep 100 & echo $! > {home}/pid; printf %s \"$0\"' '{printed}'\n"
    )
    ended, _ = run("--profile", "lake")
    pid = int((home / "pid").read_text())
    try:
        assert (ended.code, alive(pid)) == (0, True)
    finally:
        os.kill(pid, signal.SIGKILL)


MFA = """[profile lake]
role_arn = arn:aws:iam::123456789012:role/loader
source_profile = people
mfa_serial = arn:aws:iam::123456789012:mfa/ana
[profile people]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = secret
"""


class Roles:
    """Answers as STS does, with ASIA1, ASIA2 and so on; `minutes` is how long they hold."""

    def __init__(self):
        self.requests = []
        self.minutes = 60

    def __call__(self, request):
        self.requests.append({k: v[0] for k, v in parse_qs(request.body.decode()).items()})
        kind = self.requests[-1]["Action"]
        return Answer(
            200,
            f"<{kind}Response><{kind}Result><Credentials><AccessKeyId>ASIA{len(self.requests)}"
            "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{in_an_hour(self.minutes / 60)}</Expiration></Credentials>"
            f"</{kind}Result></{kind}Response>".encode(),
        )


@pytest.fixture
def roles(home, monkeypatch):
    """STS on loopback."""
    service = Roles()
    with scripted_s3(service) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        yield service


@pytest.mark.fault("D7")
def test_mfa_without_a_terminal_is_reported(spawn, volume, configured, roles):
    """With the device and the profile; the run does not wait for a person."""
    write_files(volume, {"a.csv": b"1"})
    configured(MFA)
    with scripted_s3(accept_all) as (url, requests):
        process = spawn(
            *("run", volume, *OPTIONS, "--profile", "lake", "--endpoint-url", url),
            start_new_session=True,
        )
        out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    error = json.loads(out.splitlines()[-1])["error"]
    assert "mfa/ana" in error["message"]
    assert "no terminal" in error["message"]
    assert "profile 'lake'" in error["message"]
    assert (requests, roles.requests) == ([], [])


@contextmanager
def at_a_terminal(spawn, *arguments):
    """Start the program with a terminal of its own; yields it and the terminal's other side."""
    ours, theirs = pty.openpty()
    process = spawn(
        *arguments,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        pass_fds=[theirs],
    )
    try:
        yield process, ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def read_until(terminal, words):
    read = b""
    while words not in read:
        read += os.read(terminal, 1024)
    return read


@pytest.mark.fault("D6")
def test_an_mfa_code_is_asked_for_at_the_terminal(spawn, volume, configured, roles):
    """It goes to STS, and is not shown."""
    write_files(volume, {"a.csv": b"1"})
    configured(MFA)
    with scripted_s3(accept_all) as (url, requests):
        command = ("run", volume, *OPTIONS, "--profile", "lake", "--endpoint-url", url)
        with at_a_terminal(spawn, *command) as (process, terminal, _):
            read_until(terminal, b"Enter MFA code for arn:aws:iam::123456789012:mfa/ana: ")
            os.write(terminal, b"123456\n")
            _, err = process.communicate(timeout=60)
            shown = os.read(terminal, 1024)
    assert process.returncode == 0, err
    assert roles.requests[0]["TokenCode"] == "123456"
    assert b"123456" not in shown
    assert "Credential=ASIA1/" in requests[0].headers["authorization"]


@pytest.mark.fault("D6")
def test_a_run_that_waits_for_an_mfa_code_can_be_interrupted(spawn, volume, configured, roles):
    """And the terminal shows what is typed again."""
    write_files(volume, {"a.csv": b"1"})
    configured(MFA)
    command = ("run", volume, *OPTIONS, "--profile", "lake", "--endpoint-url", "http://127.0.0.1:9")
    with at_a_terminal(spawn, *command) as (process, terminal, theirs):
        read_until(terminal, b"Enter MFA code")
        assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        os.write(terminal, b"\x03")
        assert process.wait(60) == 130
        assert termios.tcgetattr(theirs)[3] & termios.ECHO


@pytest.mark.fault("D6")
def test_a_credential_process_may_ask_at_the_terminal(spawn, volume, configured, home):
    """It is not of a group in the background, which a terminal would stop."""
    write_files(volume, {"a.csv": b"1"})
    program = home / "ask"
    program.write_text(
        "#!/bin/sh\nprintf 'who? ' > /dev/tty; read name < /dev/tty\n"
        """printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "s"}' "$name"\n"""
    )
    program.chmod(0o755)
    configured(f"[profile lake]\ncredential_process = {program}\n")
    with scripted_s3(accept_all) as (url, requests):
        command = ("run", volume, *OPTIONS, "--profile", "lake", "--endpoint-url", url)
        with at_a_terminal(spawn, *command) as (process, terminal, _):
            read_until(terminal, b"who? ")
            os.write(terminal, b"AKIATYPED\n")
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Credential=AKIATYPED/" in requests[0].headers["authorization"]


@pytest.mark.fault("C9")
def test_a_credential_process_at_a_terminal_ends_with_an_interrupted_run(
    spawn, volume, configured, home
):
    """It is of the program's own group there, and all that it started ends one by one."""
    write_files(volume, {"a.csv": b"1"})
    configured(HANGS.format(pids=home / "pids"))
    with at_a_terminal(spawn, "run", volume, *OPTIONS, "--profile", "lake") as (process, _, _):
        while not (home / "pids").exists():
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 143
    wait_for_end({int(pid) for pid in (home / "pids").read_text().split()})


@pytest.mark.fault("D8")
@pytest.mark.parametrize(
    "empty",
    [
        *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"),
        *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        *("AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_MAX_ATTEMPTS"),
        *("AWS_CREDENTIAL_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_DEFAULTS_MODE"),
        *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_RETRY_MODE", "AWS_DATA_PATH"),
    ],
)
@pytest.mark.parametrize("value", ["", " "])
def test_a_variable_that_is_empty_is_not_set(run, home, monkeypatch, empty, value):
    """As if it were not there, also where the credentials come last in the chain."""
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv(empty, value)
    ended, requests = run()
    assert ended.code == 0, ended.err
    assert "Credential=AKIADEFAULT/" in requests[0].headers["authorization"]


KEYS = "aws_access_key_id = AKIADEFAULT\naws_secret_access_key = canary\n"
BROKEN = {
    "BOM": (b"\xef\xbb\xbf[default]\n" + KEYS.encode(), "begins with a byte order mark"),
    "UTF-16": ("[default]\n".encode("utf-16"), "begins with a byte order mark"),
    "Latin-1": (b"[default]\n# \xe9\xe8\n" + KEYS.encode(), "is not UTF-8"),
    "no section": (KEYS.encode(), "line 1 can't be parsed"),
    "a line without sense": (b"[default]\ncanary canary\n", "line 2 can't be parsed"),
    "twice": (b"[default]\n[default]\n" + KEYS.encode(), "line 2 can't be parsed"),
    "nested": (b"[default]\ns3 =\n  canary\n", "it can't be parsed"),
}


@pytest.mark.fault("D9")
@pytest.mark.parametrize("name", ["config", "credentials"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_file_that_can_not_be_parsed_is_named(run, home, fault, name):
    """With the line, which is not repeated: a secret may be in it."""
    content, words = BROKEN[fault]
    file = home / ".aws" / name
    file.write_bytes(content)
    ended, requests = run()
    check_refused(ended, requests, str(file), words)
    assert "canary" not in ended.out + ended.err


@pytest.mark.fault("D9")
@pytest.mark.parametrize("options", [(), ("--profile", "lake")])
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_that_can_not_be_read_is_named(run, home, name, options):
    """Root may read all, so the file is a link to itself; it is not taken for one that lacks."""
    (home / ".aws" / name).symlink_to(name)
    ended, requests = run(*options)
    error = check_refused(ended, requests, str(home / ".aws" / name), "can't be read")
    assert f"UID {os.getuid()}" in error["hint"]
    assert "AWS_" in error["hint"]


@pytest.mark.fault("D9")
def test_a_file_that_can_not_be_read_is_ignored_if_others_suffice(run, home, monkeypatch):
    """As in a container whose home is another user's, with credentials in its environment."""
    for name in ("config", "credentials"):
        (home / ".aws" / name).symlink_to(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ended, _ = run()
    assert ended.code == 0


@pytest.mark.fault("D9")
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@pytest.mark.parametrize("options", [(), ("--profile", "lake")])
def test_a_file_that_is_named_and_not_there_is_named(run, home, variable, options, monkeypatch):
    """As in a container that it was not mounted into."""
    monkeypatch.setenv(variable, "/no/such/file")
    ended, requests = run(*options)
    check_refused(ended, requests, "'/no/such/file'", "can't be read", hint=variable)


@pytest.mark.fault("D9")
def test_for_a_user_without_a_home_the_missing_variable_is_named(run, home, monkeypatch):
    """As in a container that runs as any user."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("posixpath.expanduser", lambda path: path)
    ended, requests = run()
    assert (ended.code, requests) == (5, [])
    assert "AWS_ACCESS_KEY_ID" in error_of(ended)["hint"]


LOOPS = {
    "a loop": "[profile lake]\nrole_arn = a\nsource_profile = b\n[profile b]\nrole_arn = b\n"
    "source_profile = lake\n",
    "no such source": "[profile lake]\nrole_arn = a\nsource_profile = gone\n",
    "two sources": "[profile lake]\nrole_arn = a\nsource_profile = lake\n"
    "credential_source = Environment\n",
    "no source": "[profile lake]\nrole_arn = a\n",
    "an odd source": "[profile lake]\nrole_arn = a\ncredential_source = Moon\n",
    "a source that has none": "[profile lake]\nrole_arn = a\ncredential_source = Environment\n",
    "half a key": "[profile lake]\naws_access_key_id = AKIA\n",
    "half an SSO": "[profile lake]\nsso_role_name = x\n",
    "no SSO session": "[profile lake]\nsso_session = x\nsso_role_name = x\nsso_account_id = 1\n",
    "an odd session name": MFA.replace(
        "mfa_serial = arn:aws:iam::123456789012:mfa/ana", "role_session_name = x"
    ),
    "no role": "[profile lake]\nweb_identity_token_file = /x\n",
}


@pytest.mark.fault("D12")
@pytest.mark.parametrize("profile", LOOPS)
def test_a_profile_that_makes_no_sense_is_named(run, configured, roles, profile):
    """Roles in a circle, sources that lack, halves: a hint, and no internal error."""
    configured(LOOPS[profile])
    ended, requests = run("--profile", "lake")
    check_refused(ended, requests)
    assert "lake" in ended.err


def after(number, good, bad):
    """Serve with `good` so often, then with `bad`."""
    served = []

    def answer(request):
        served.append(request)
        return (good if len(served) <= number else bad)(request)

    return answer


def container_answer(request):
    document = {
        "AccessKeyId": "AKIA",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": in_an_hour(5 / 60),
    }
    return Answer(200, json.dumps(document).encode())


def check_ended_on_the_way(ended, requests, *words):
    """Some landed, none after the refresh that failed, and the error is the provider's."""
    puts = sum(request.method == "PUT" for request in requests)
    assert ended.code == 5, ended.err
    assert 0 < puts < 20
    error = error_of(ended)
    assert error["kind"] == "CredentialsMissing"
    for word in words:
        assert word in error["message"]
    assert error["hint"]
    landed = [line for line in ended.out.splitlines() if '"status":"uploaded"' in line]
    assert len(landed) == puts


CONTAINER_FAULTS = {
    "500": (lambda request: Answer(500, b"no"), "500"),
    "no JSON": (lambda request: Answer(200, b"{"), "Unable to parse JSON"),
    "no key": (lambda request: Answer(200, b"{}"), "the answer lacks"),
    "a list": (lambda request: Answer(200, b"[]"), "container"),
}


@pytest.mark.fault("D11")
@pytest.mark.parametrize("fault", CONTAINER_FAULTS)
def test_a_container_that_stops_handing_out_credentials_ends_the_run(
    run, home, monkeypatch, fault, lane
):
    """What landed stays."""
    bad, words = CONTAINER_FAULTS[fault]
    monkeypatch.setattr("aiobotocore.utils.AioContainerMetadataFetcher.SLEEP_TIME", 0)
    with scripted_s3(after(25, container_answer, bad)) as (service, _):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service}/c")
        ended, requests = run("--concurrency", "1", lane=lane)
    check_ended_on_the_way(ended, requests, "container's credentials endpoint", words)


@pytest.mark.fault("D13")
def test_a_refresh_that_fails_is_left_alone_while_credentials_hold(run, home, monkeypatch, lane):
    """All land, and the service is not asked for each file."""
    asked = []

    def answer(request):
        asked.append(request)
        if len(asked) > 1:
            return Answer(500, b"no")
        soon = json.loads(container_answer(request).body)
        return Answer(200, json.dumps(soon | {"Expiration": in_an_hour(13 / 60)}).encode())

    monkeypatch.setattr("aiobotocore.utils.AioContainerMetadataFetcher.SLEEP_TIME", 0)
    with scripted_s3(answer) as (service, _):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service}/c")
        ended, requests = run("--concurrency", "1", lane=lane)
    assert ended.code == 0, ended.err
    assert sum(request.method == "PUT" for request in requests) == 20
    # Once at the start, and three tries of one refresh.
    assert len(asked) == 4


PROGRAM = """#!{python} -IS
import datetime as dt, json, pathlib, sys
count = pathlib.Path(__file__ + ".count")
count.write_text(count.read_text() + "x" if count.exists() else "x")
until = dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=5)
made = {{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s", "SessionToken": "t",
    "Expiration": until.isoformat()}}
if len(count.read_text()) > 16:
    {fault}
print(json.dumps(made))
"""
PROGRAM_FAULTS = {
    "fails": ("sys.exit('no more')", "exit code 1: no more"),
    "no JSON": ("sys.exit(print('no'))", "no JSON"),
    "newline": ("made['SessionToken'] += chr(10)", "session token from"),
    "no date": ("del made['Expiration']", "lacks time of expiry"),
    "expired": ("made['Expiration'] = '2020-01-01T00:00:00Z'", "have expired"),
}


@pytest.mark.fault("D11")
@pytest.mark.parametrize("fault", PROGRAM_FAULTS)
def test_a_credential_process_that_fails_on_the_way_ends_the_run(run, home, configured, fault):
    """With the same words as at the start."""
    statement, words = PROGRAM_FAULTS[fault]
    program = home / "program"
    program.write_text(PROGRAM.format(python=sys.executable, fault=statement))
    program.chmod(0o755)
    configured(f"[profile lake]\ncredential_process = {program}\n")
    ended, requests = run("--profile", "lake", "--concurrency", "1")
    check_ended_on_the_way(ended, requests, "credential_process of profile 'lake'", words)


@pytest.mark.fault("D11")
def test_a_token_file_that_vanishes_on_the_way_ends_the_run(run, home, roles, monkeypatch, lane):
    """It is read at each refresh."""
    token = home / "token"
    token.write_text("web-canary-" + "x" * 30)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/loader")
    roles.minutes = 5

    def answer(request):
        if request.method == "PUT" and b"5" in request.body:
            token.unlink(missing_ok=True)
        return accept_all(request)

    ended, requests = run("--concurrency", "1", lane=lane, answer=answer)
    check_ended_on_the_way(ended, requests, "web identity", str(token))


@pytest.mark.fault("D11")
def test_an_sso_session_that_ends_on_the_way_ends_the_run(run, people, token_file):
    """With the way to log in."""
    token_file.write_text(sso_token())
    granted, over = [], EXPIRED_SSO["session ended"][1]["roles"]

    def answer():
        granted.append(1)
        soon = {"roleCredentials": people.credentials(minutes=5)}
        return Answer(200, json.dumps(soon).encode()) if len(granted) < 25 else over

    people.roles = answer
    ended, requests = run("--profile", "lake", "--concurrency", "1")
    check_ended_on_the_way(ended, requests, "SSO, profile 'lake'", "expired")
    assert "aws sso login --profile lake" in error_of(ended)["hint"]


@pytest.mark.fault("D11")
def test_a_role_that_takes_a_second_mfa_code_ends_the_run(spawn, volume, configured, roles):
    """No person can sign in again; the hint says how sessions last longer."""
    write_files(volume, {f"{n:02}.csv": b"%d" % n for n in range(20)})
    configured(MFA)

    def answer(request):
        if b"7" in request.body:
            return Answer(400, b"<Error><Code>ExpiredToken</Code></Error>")
        return accept_all(request)

    with scripted_s3(answer) as (url, _):
        command = ("run", volume, *OPTIONS, "--profile", "lake", "--endpoint-url", url)
        with at_a_terminal(spawn, *command, "--concurrency", 1) as (process, terminal, _):
            read_until(terminal, b"Enter MFA code")
            os.write(terminal, b"123456\n")
            out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    error = json.loads(out.splitlines()[-1])["error"]
    assert "needs an MFA code" in error["message"]
    assert "duration_seconds" in error["hint"]
    assert len(roles.requests) == 1
