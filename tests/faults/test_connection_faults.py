"""Kind E of the catalogue: what is promised of S3's connection holds for every connection."""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
from base64 import b64encode
from contextlib import contextmanager
from hashlib import sha1
from urllib.parse import quote

import pytest
import trustme

from tests.integration.test_tls import context_for, tunnelling_proxy
from tests.support.loads import AT_ONCE, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3

OPTIONS = ("--bucket", "lake", "--date", "2022-05-02", "--no-manifest", "--json")
SECRET = "CANARY/secret+key=of-forty-characters-xx"
TOKEN = "CANARY-session-token//" + "x" * 200
BEARER = "CANARY-bearer-" + "y" * 60


@pytest.fixture(autouse=True)
def _set_up(volume, monkeypatch):
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: AT_ONCE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})


@pytest.fixture
def access_key(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """An authority that the AWS configuration trusts."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    return authority


def accept_all(request):
    return EMPTY_LISTING if request.method == "GET" else put_accepted(request)


def error_of(ended):
    return json.loads(ended.out.replace('"seconds":_', '"seconds":0').splitlines()[-1])["error"]


def until(hours=1.0):
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)


def grant_role(request):
    """Answer as STS or SSO's portal does."""
    if request.method == "POST":
        return Answer(
            200,
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
            f"</SessionToken><Expiration>{until():%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>".encode(),
        )
    granted = {
        "accessKeyId": "ASIA1",
        "secretAccessKey": "s",
        "sessionToken": "t",
        "expiration": int(until().timestamp() * 1000),
    }
    return Answer(200, json.dumps({"roleCredentials": granted}).encode())


@pytest.fixture(params=["STS", "SSO"])
def asks(request, tmp_path, monkeypatch):
    """A chain that asks STS with a web identity, or SSO with a bearer: a setter of its URL."""
    if request.param == "STS":
        token = tmp_path / "token"
        token.write_text(BEARER)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/loader")
    else:
        cache = tmp_path / "cache"
        cache.mkdir()
        monkeypatch.setattr("botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR", str(cache))
        config = tmp_path / "config"
        config.write_text(
            "[default]\nsso_session = people\nsso_account_id = 123456789012\n"
            "sso_role_name = loader\n[sso-session people]\nsso_region = us-east-1\n"
            "sso_start_url = https://people.awsapps.com/start\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        bearer = {"accessToken": BEARER, "expiresAt": f"{until(8):%Y-%m-%dT%H:%M:%SZ}"}
        (cache / f"{sha1(b'people').hexdigest()}.json").write_text(json.dumps(bearer))
    return lambda url: monkeypatch.setenv(f"AWS_ENDPOINT_URL_{request.param}", url)


@pytest.fixture
def run(asyncload, volume):
    """Load into a store that takes all; yields what ended and the store's requests."""

    def go(*options, answer=accept_all, url=None):
        with scripted_s3(answer) as (own, requests):
            ended = asyncload("run", volume, *OPTIONS, "--endpoint-url", url or own, *options)
        return ended, requests

    return go


def check_no_token_went(ended, requests):
    assert requests == []
    assert ended.code in (2, 5)
    assert "CANARY" not in ended.out + ended.err


@pytest.mark.fault("E1")
@pytest.mark.parametrize("name", ["127.0.0.1", "example.org"])
def test_sts_and_sso_need_a_certificate_that_is_trusted_and_theirs(run, asks, trusted, name):
    """As S3 does: else the token is sent nowhere."""
    issuer = trustme.CA() if name == "127.0.0.1" else trusted
    with scripted_s3(grant_role, tls=context_for(issuer, name)) as (url, asked):
        asks(url)
        ended, requests = run()
    check_no_token_went(ended, requests + asked)
    assert "certificate" in error_of(ended)["message"]


@pytest.mark.fault("E1")
@pytest.mark.parametrize(
    "off", [{"AWS_CA_BUNDLE": ""}, {"AWS_NO_VERIFY_SSL": "1"}, {"PYTHONHTTPSVERIFY": "0"}], ids=str
)
def test_nothing_turns_verification_of_sts_and_sso_off(run, asks, off, monkeypatch):
    """An empty AWS_CA_BUNDLE did."""
    for name, value in off.items():
        monkeypatch.setenv(name, value)
    with scripted_s3(grant_role, tls=context_for(trustme.CA(), "127.0.0.1")) as (url, asked):
        asks(url)
        ended, requests = run()
    check_no_token_went(ended, requests + asked)


@pytest.mark.fault("E1")
@pytest.mark.parametrize("name", ["trusted", "untrusted", "example.org"])
def test_behind_a_proxy_sts_and_sso_are_verified_too(run, asks, trusted, name, monkeypatch):
    """A proxy that answers for them gets no token."""
    issuer = trustme.CA() if name == "untrusted" else trusted
    host = "example.org" if name == "example.org" else "tokens.test"
    with (
        scripted_s3(grant_role, tls=context_for(issuer, host)) as (url, asked),
        tunnelling_proxy() as (proxy, tunnels),
    ):
        asks(url.replace("127.0.0.1", "tokens.test"))
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        ended, requests = run()
    assert tunnels
    if name == "trusted":
        assert ended.code == 0, ended.err
    else:
        check_no_token_went(ended, requests + asked)


@pytest.mark.fault("E1")
def test_a_ca_bundle_of_the_option_counts_for_sts_and_sso_too(run, asks, tmp_path):
    """Beside the usual authorities: behind a proxy that breaks TLS up, all need it."""
    authority = trustme.CA()
    bundle = tmp_path / "own.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with scripted_s3(grant_role, tls=context_for(authority, "127.0.0.1")) as (url, asked):
        asks(url)
        ended, _ = run("--ca-bundle", bundle)
    assert ended.code == 0, ended.err
    assert asked


@pytest.mark.fault("E1")
@pytest.mark.parametrize("name", ["trusted", "untrusted", "example.org"])
def test_a_containers_endpoint_is_verified_too(run, trusted, name, monkeypatch):
    """Before the token goes there that it authorizes by."""
    issuer = trustme.CA() if name == "untrusted" else trusted
    host = "example.org" if name == "example.org" else "127.0.0.1"
    key = {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": str(until())}
    monkeypatch.setattr("aiobotocore.utils.AioContainerMetadataFetcher.SLEEP_TIME", 0)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", BEARER)
    with scripted_s3(
        lambda request: Answer(200, json.dumps(key).encode()), tls=context_for(issuer, host)
    ) as (url, asked):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/c")
        ended, requests = run()
    if name == "trusted":
        assert ended.code == 0, ended.err
        assert asked[0].headers["authorization"] == BEARER
    else:
        check_no_token_went(ended, requests + asked)
        assert "certificate" in error_of(ended)["message"]


@pytest.mark.fault("E10")
def test_a_redirect_of_sts_or_sso_is_not_followed(run, asks):
    """The token stays with whom it was for."""
    with scripted_s3(grant_role) as (other, followed):
        moved = Answer(307, b"", {"Location": f"{other}/elsewhere"})
        with scripted_s3(lambda request: moved) as (url, asked):
            asks(url)
            ended, requests = run()
    check_no_token_went(ended, requests + followed)
    assert asked


@pytest.mark.fault("E3")
@pytest.mark.parametrize("whose", ["S3 by its variable", "S3 by all's", "its own", "services"])
def test_a_plain_endpoint_is_refused_before_a_token_goes_anywhere(
    asyncload, volume, asks, whose, monkeypatch, tmp_path
):
    """S3's is known first, that of STS and SSO before they are asked."""
    elsewhere = "http://store.invalid"
    with scripted_s3(grant_role) as (url, asked), scripted_s3(accept_all) as (proxy, proxied):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        asks(url)
        if whose == "S3 by its variable":
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", elsewhere)
        elif whose == "S3 by all's":
            monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere)
        elif whose == "its own":
            asks(elsewhere)
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        else:
            config = tmp_path / "config"
            before = config.read_text() if config.exists() else "[default]\n"
            config.write_text(
                before.replace("[default]\n", "[default]\nservices = own\n")
                + f"\n[services own]\ns3 =\n  endpoint_url = {elsewhere}\n"
            )
            monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        ended = asyncload("run", volume, *OPTIONS)
    check_no_token_went(ended, asked + proxied)
    assert ended.code == 2
    assert "plain HTTP" in error_of(ended)["message"]
    assert "--allow-http" in error_of(ended)["hint"]


@pytest.mark.fault("E2")
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_what_is_on_this_machine_is_never_proxied(run, access_key, variable, monkeypatch, lane):
    """Signed requests and bodies stay here, also if a variable names a proxy."""
    with scripted_s3(accept_all) as (proxy, proxied):
        monkeypatch.setenv(variable, proxy)
        ended, requests = run(*([] if lane else ["--no-fast-lane"]))
    assert ended.code == 0, ended.err
    assert (proxied, len(requests) > 2) == ([], True)


@pytest.mark.fault("E14")
@pytest.mark.parametrize(
    ("entry", "bypassed"),
    [
        ("store.test", True),
        (".test", True),
        ("*.test", True),
        ("store.test:{port}", True),
        ("other.test, STORE.TEST", True),
        ("*", True),
        ("store.test:1", False),
        ("ore.test", False),
        ("127.0.0.0/8", False),
        ("", False),
    ],
)
def test_no_proxy_is_understood(run, access_key, entry, bypassed, monkeypatch, lane):
    """Names, ports and wildcards; what is bypassed is asked for by its own name."""
    lookup = socket.getaddrinfo

    def here(host, *arguments, **options):
        return lookup("127.0.0.1" if host == "store.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with scripted_s3(accept_all) as (proxy, proxied), scripted_s3(accept_all) as (own, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", entry.format(port=own.rpartition(":")[2]))
        options = ["--allow-http", *([] if lane else ["--no-fast-lane"])]
        ended, _ = run(*options, url=own.replace("127.0.0.1", "store.test"))
    assert ended.code == 0, ended.err
    assert (bool(asked), bool(proxied)) == (bypassed, not bypassed)


@contextmanager
def refusing_proxy(answer):
    """A proxy that answers each request for a tunnel with the same bytes; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.fault("E4")
@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize(
    ("status", "code"), [("403 Forbidden", 5), ("407 Login", 5), ("502 Bad Gateway", 6)]
)
def test_a_proxy_that_refuses_is_named_without_its_password(
    asyncload, volume, access_key, status, code, json, monkeypatch
):
    """In text and JSON; what it repeats of the login is not printed either."""
    login = b64encode(b"user:CANARY-p@ss").decode()
    answer = f"HTTP/1.1 {status} for {login} CANARY-p@ss\r\nContent-Length: 0\r\n\r\n".encode()
    with refusing_proxy(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:CANARY-p%40ss@{proxy}")
        options = [option for option in OPTIONS if option != "--json" or json]
        ended = asyncload("run", volume, *options, "--endpoint-url", "https://store.invalid")
    assert ended.code == code, ended.err
    assert f"the proxy {proxy}" in ended.err
    assert "CANARY" not in ended.out + ended.err
    assert login not in ended.out + ended.err


MALFORMED = {
    "a space": "http://user:CANARY pass@proxy:3128",
    "a port": "http://user:CANARY@proxy:port",
    "an IPv6 address": "http://user:CANARY@[::1:3128",
    "no host": "http://user:CANARY@",
    "port 0": "http://user:CANARY@proxy:0",
    "a control character": "http://user:CANARY\x7f@proxy:3128",
    "another alphabet": "http://user:CANARY\u4e2d@proxy:3128",
    "SOCKS": "socks5://user:CANARY@proxy:1080",
}


@pytest.mark.fault("E4")
@pytest.mark.parametrize("proxy", MALFORMED)
def test_a_proxy_whose_address_is_malformed_is_named_by_its_variable(
    run, access_key, proxy, monkeypatch, lane
):
    """A usage error at once, which repeats nothing of the address."""
    monkeypatch.setenv("HTTPS_PROXY", MALFORMED[proxy])
    ended, _ = run(*([] if lane else ["--no-fast-lane"]), url="https://store.invalid")
    assert ended.code == 2, ended.err
    assert "HTTPS_PROXY" in error_of(ended)["message"]
    assert "CANARY" not in ended.out + ended.err
    assert "3128" not in error_of(ended)["message"]


@pytest.mark.fault("E4")
def test_a_proxy_that_is_reached_by_tls_works(run, access_key, trusted, monkeypatch, lane):
    """An https:// proxy: its certificate counts as well as the store's."""
    with scripted_s3(accept_all, tls=context_for(trusted, "127.0.0.1")) as (proxy, proxied):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        options = ["--allow-http", *([] if lane else ["--no-fast-lane"])]
        ended, _ = run(*options, url="http://store.invalid")
    assert ended.code == 0, ended.err
    assert {request.headers["host"] for request in proxied} == {"store.invalid"}


FORMS = {
    "as it is": lambda secret: secret,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in base64": lambda secret: b64encode(secret.encode()).decode(),
    "within base64": lambda secret: b64encode(f"u:{secret}!".encode()).decode(),
    "cut off": lambda secret: secret[:36],
}


@pytest.mark.fault("E11")
@pytest.mark.parametrize("where", ["message", "code", "header", "region", "checksum"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [SECRET, TOKEN], ids=["secret", "token"])
def test_a_secret_that_comes_back_is_not_printed(run, access_key, secret, form, where):
    """In any form that a store, or a proxy before it, gives it."""
    text = FORMS[form](secret)
    answers = {
        "message": error(400, "InvalidRequest", f"you sent {text} here"),
        "code": error(400, text),
        "header": error(501, "NotImplemented", extra=f"<Header>{text}</Header>"),
        "region": error(301, "PermanentRedirect", extra=f"<Region>{text}</Region>"),
        "checksum": Answer(200, b"", {"ETag": '"x"', "x-amz-checksum-crc64nvme": text}),
    }
    ended, _ = run(answer=lambda r: EMPTY_LISTING if r.method == "GET" else answers[where])
    assert ended.code in (3, 5, 6)
    printed = ended.out + ended.err
    assert text not in printed
    for part in (
        secret[:30],
        FORMS["in base64"](secret)[:30],
        FORMS["percent-encoded"](secret)[:30],
    ):
        assert part not in printed


@pytest.mark.fault("E11")
def test_a_token_that_sts_or_sso_repeats_is_not_printed(run, asks):
    """Neither the web identity nor the bearer."""

    def repeat(request):
        sent = request.body.decode() + str(request.headers)
        return error(403, "AccessDenied", f"you sent {quote(sent)} {BEARER}")

    with scripted_s3(repeat) as (url, asked):
        asks(url)
        ended, requests = run()
    check_no_token_went(ended, requests)
    assert asked


@pytest.mark.fault("E7")
@pytest.mark.parametrize("options", [[], ["--unsigned-payload"]])
@pytest.mark.parametrize("setting", ["true", "false", None])
def test_payloads_are_signed_over_tls_if_the_configuration_asks_for_it(
    asyncload, volume, access_key, trusted, tmp_path, setting, options, monkeypatch, lane
):
    """By lane and client alike; the flag goes before."""
    config = tmp_path / "config"
    text = f"s3 =\n  payload_signing_enabled = {setting}\n" if setting else ""
    config.write_text(f"[default]\n{text}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    options = [*options, *([] if lane else ["--no-fast-lane"])]
    with scripted_s3(accept_all, tls=context_for(trusted, "127.0.0.1")) as (url, requests):
        ended = asyncload("run", volume, *OPTIONS, "--endpoint-url", url, *options)
    assert ended.code == 0, ended.err
    signed = {
        request.headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"
        for request in requests
        if request.method == "PUT"
    }
    assert signed == {setting == "true" and "--unsigned-payload" not in options}


@pytest.mark.fault("E12")
def test_the_metadata_service_is_not_asked_through_a_proxy(run, monkeypatch):
    """It would be the proxy's machine's, or anybody's."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")

    def metadata(request):
        answers = {
            "/latest/api/token": b"token",
            "/latest/meta-data/iam/security-credentials/": b"r",
        }
        key = {
            "Code": "Success",
            "AccessKeyId": "ASIAIMDS",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": f"{until():%Y-%m-%dT%H:%M:%SZ}",
        }
        return Answer(200, answers.get(request.path, json.dumps(key).encode()))

    with scripted_s3(metadata) as (service, asked), scripted_s3(accept_all) as (proxy, proxied):
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        ended, requests = run()
    assert ended.code == 0, ended.err
    assert (len(asked), proxied) == (3, [])
    assert "Credential=ASIAIMDS/" in requests[0].headers["authorization"]


@pytest.mark.fault("E12")
def test_a_metadata_service_on_another_machine_is_refused_as_a_store_is(run, monkeypatch):
    """Plain HTTP to another machine: anybody on the way could answer."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://metadata.invalid/")
    ended, requests = run()
    check_no_token_went(ended, requests)
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT" in error_of(ended)["message"]


@pytest.mark.fault("E12")
def test_an_invalid_address_of_a_metadata_service_is_named(run, monkeypatch):
    """The endpoint of the store is not blamed."""
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "no address")
    ended, requests = run()
    check_no_token_went(ended, requests)
    assert "--endpoint-url" not in ended.err


@pytest.mark.fault("E13")
def test_no_token_is_sent_to_client_side_monitoring(run, access_key, monkeypatch):
    """botocore would send it by UDP, in the clear, to any host."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as monitor:
        monitor.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_CSM_ENABLED", "true")
        monkeypatch.setenv("AWS_CSM_PORT", str(monitor.getsockname()[1]))
        ended, _ = run("--no-fast-lane")
        monitor.setblocking(False)
        with pytest.raises(BlockingIOError):
            monitor.recv(65536)
    assert ended.code == 0
