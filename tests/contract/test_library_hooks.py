"""What `s3.hooks` does to private parts of the libraries: these tests fail where they change."""

from __future__ import annotations

import datetime as dt
import inspect
import ssl

import aioboto3
import aiobotocore.credentials
import aiohttp
import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials, AioRefreshableCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiobotocore.utils import AioContainerMetadataFetcher, AioInstanceMetadataFetcher
from botocore.awsrequest import AWSRequest
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import ClientError
from botocore.httpsession import ProxyConfiguration
from botocore.utils import JSONFileCache

from asyncload.errors import UsageError
from asyncload.s3 import S3Options, open_store
from asyncload.s3.auth.chain import ChainSession
from asyncload.s3.auth.patience import Patience
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.client.session import StrictSession
from asyncload.s3.hooks import core_session, credentials, events, signing
from asyncload.s3.hooks.http_session import HttpSession
from asyncload.s3.hooks.models import QuickFiles
from asyncload.s3.opening import open_client
from tests.support.scripted_s3 import Answer, error, scripted_s3


@pytest.fixture
def session(monkeypatch, tmp_path):
    """A session with a profile of each kind."""
    config = tmp_path / "config"
    config.write_text(
        "[profile lake]\nrole_arn = arn\nsource_profile = people\n[profile people]\n"
        "sso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\n"
        "sso_region = us-east-1\nsso_start_url = https://people.awsapps.com/start\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return ChainSession(
        "lake", allow_http=False, authorities=None, secrets=Secrets(), patience=Patience()
    )


@pytest.fixture
def sessions(monkeypatch):
    """All HTTP sessions that are made from here on."""
    made = []
    make = AIOHTTPSession.__init__

    def record(self, *arguments, **options):
        made.append(self)
        make(self, *arguments, **options)

    monkeypatch.setattr(AIOHTTPSession, "__init__", record)
    return made


@pytest.mark.fault("E1")
@pytest.mark.parametrize("service", ["sts", "sso", "sso-oidc"])
async def test_every_client_has_a_strict_session(session, sessions, service):
    """Of those that hand out credentials, with any configuration that botocore asks for."""
    from botocore import UNSIGNED
    from botocore.config import Config

    for config in (None, Config(signature_version=UNSIGNED)):
        async with session.create_client(
            service, config=config, aws_access_key_id="A", aws_secret_access_key="s"
        ) as client:
            assert client.meta.config.connect_timeout == 5
            assert (client.meta.config.signature_version is UNSIGNED) == (config is not None)
    assert len(sessions) >= 2
    used = [made for made in sessions if type(made) is StrictSession]
    assert len(used) == 2


@pytest.mark.fault("E1")
async def test_every_fetcher_of_the_chain_has_a_strict_session(session):
    """The metadata service's and the container's: what the chain was built with is not used."""
    resolver = session.get_component("credential_provider")
    for method, attribute in (("iam-role", "_role_fetcher"), ("container-role", "_fetcher")):
        fetcher = getattr(resolver.get_provider(method), attribute)
        assert isinstance(fetcher, AioInstanceMetadataFetcher | AioContainerMetadataFetcher)
        assert isinstance(fetcher._session, StrictSession)
        async with fetcher._session.acquire() as used:
            assert isinstance(used, StrictSession)


@pytest.mark.fault("E1")
@pytest.mark.parametrize("verify", [True, False, None, ""])
@pytest.mark.parametrize("proxy", [None, "http://proxy:3128", "https://proxy:3128"])
async def test_a_strict_sessions_connections_verify_certificate_and_host(verify, proxy):
    """What `_create_connector` and `_get_ssl_context` are asked for, and how `_verify` is read."""
    async with StrictSession(verify=verify, timeout=1) as strict:
        connector = (await strict._get_session(proxy))._session.connector
        context = connector._ssl
        assert isinstance(context, ssl.SSLContext)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_library_that_became_strict_needs_no_help():
    """If this fails, `StrictSession` may be done with: aiobotocore checks host names itself."""
    assert not AIOHTTPSession(timeout=1)._get_ssl_context().check_hostname


def test_the_hooks_of_the_chain_are_called():
    """Each is a name that the libraries use themselves."""
    module = inspect.getsource(aiobotocore.credentials)
    for name in (
        "self._retrieve_credentials_using(credential_process)",
        "self._load_creds_via_assume_role(",
        "mfa_prompter=self._prompter",
        "self._profile_provider_builder.providers(",
        "profile_provider_builder=profile_provider_builder",
        "self._fetcher.retrieve_full_uri(",
        "headers = self._build_headers()",
        "fetcher = self._role_fetcher",
        "SSOTokenLoader(cache=self._token_cache)",
        "fetcher_kwargs['token_provider'] = self._token_provider",
        "resolve_awaitable(self._refresh_using())",
    ):
        assert name in module, name
    for kind in (AioRefreshableCredentials, AioDeferredRefreshableCredentials):
        assert "_refresh_using" in inspect.getsource(kind.__init__) + inspect.getsource(
            aiobotocore.credentials.RefreshableCredentials.__init__
        )


def test_the_session_asks_its_own_methods():
    """For its resolver of credentials and its monitor."""
    assert "self._create_credential_resolver" in inspect.getsource(
        AioSession._register_credential_provider
    )
    assert "self._create_csm_monitor" in inspect.getsource(AioSession._register_monitor)


def test_sources_named_in_a_profile_are_watched(session):
    """The providers that `credential_source` may name, beside the chain's own."""
    resolver = session.get_component("credential_provider")
    roles = resolver.get_provider("assume-role")
    for provider in (*resolver.providers, *roles._credential_sourcer._providers):
        assert provider.load.__name__ == "load_explained", provider
    for provider in roles._profile_provider_builder.providers("people", disable_env_vars=True):
        assert provider.load.__name__ == "load_explained", provider


def test_endpoints_are_looked_up_as_clients_do():
    """`ConfiguredEndpointProvider` is private, too."""
    names = list(inspect.signature(ConfiguredEndpointProvider.__init__).parameters)
    assert names[:4] == ["self", "full_config", "scoped_config", "client_name"]


@pytest.mark.parametrize(("mode", "used"), [("auto", "standard"), ("legacy", "legacy")])
def test_no_region_is_asked_of_a_metadata_service(monkeypatch, mode, used):
    """`auto` would do so, for time-outs that are set here anyway."""
    monkeypatch.setenv("AWS_DEFAULTS_MODE", mode)
    session = ChainSession(
        None, allow_http=False, authorities=None, secrets=Secrets(), patience=Patience()
    )
    assert session.get_config_variable("defaults_mode") == used


def test_endpoints_that_are_to_be_ignored_are_not_judged(session, monkeypatch):
    """botocore does not use them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.invalid")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    session.check_configured_endpoint("s3")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")
    with pytest.raises(UsageError, match=r"AWS configuration: .* plain HTTP"):
        session.check_configured_endpoint("s3")


def test_a_token_cache_is_a_folder_of_json():
    """What is kept in memory is what a file would hold."""
    names = list(inspect.signature(JSONFileCache.__init__).parameters)
    assert names == ["self", "working_dir", "dumps_func"]
    assert "self._dumps(value)" in inspect.getsource(JSONFileCache.__setitem__)


async def test_a_clients_pages_are_read_quickly(monkeypatch):
    """botocore hands answers to handlers before its parser, and adds what they made of them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    body = (
        b"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
        b"<Contents><Key>a%20b</Key><LastModified>never</LastModified><Size>1</Size></Contents>"
        b"</ListBucketResult>"
    )
    with scripted_s3(lambda request: Answer(200, body)) as (url, _):
        async with open_store(S3Options("lake", connections=1, endpoint_url=url)) as store:
            page = await store.list_objects("")
    # By botocore's own parser the time would be an error.
    assert [(item.key, item.size) for item in page.items] == [("a b", 1)]


@pytest.fixture
def keys(monkeypatch):
    """Credentials and a region in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


async def test_events_an_error_is_asked_for_once_and_its_headers_are_heard(keys):
    """Of this one botocore would ask where the bucket is, and ask there."""
    heard = []
    moved = error(301, "PermanentRedirect", **{"X-Amz-Bucket-Region": "eu-west-1"})
    with scripted_s3(lambda request: moved) as (url, requests):
        async with open_client(S3Options("lake", connections=1, endpoint_url=url)) as client:
            events.hear_answers(client, heard.append)
            with pytest.raises(ClientError) as caught:
                await client.head_object(Bucket="lake", Key="k")
    assert len(requests) == 1
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 301
    assert [answer["x-amz-bucket-region"] for answer in heard] == ["eu-west-1"]


async def test_events_without_the_hook_botocore_asks_again(keys):
    """If this fails, `take_every_answer` may be done with."""
    moved = error(301, "PermanentRedirect", **{"X-Amz-Bucket-Region": "eu-west-1"})
    with scripted_s3(lambda request: moved) as (url, requests):
        async with aioboto3.Session().client("s3", endpoint_url=url) as client:
            with pytest.raises(ClientError):
                await client.head_object(Bucket="lake", Key="k")
    assert len(requests) > 1


@pytest.mark.parametrize("hooked", [True, False])
async def test_events_a_body_is_sent_without_waiting_for_leave(keys, hooked):
    """botocore adds `Expect` itself; the hook comes after it. So does the check of a head."""
    checked = []
    with scripted_s3(lambda request: Answer(200)) as (url, requests):
        async with aioboto3.Session().client("s3", endpoint_url=url) as client:
            if hooked:
                events.expect_nothing(client)
            events.check_before_sending(client, checked.append)
            await client.put_object(Bucket="lake", Key="k", Body=b"1")
    assert ("expect" in requests[0].headers) != hooked
    (head,) = checked
    assert "Authorization" in head


async def test_events_a_put_is_made_signed_and_not_sent(keys):
    """Right before it would be."""
    with scripted_s3(lambda request: Answer(200)) as (url, requests):
        async with open_client(S3Options("lake", connections=1, endpoint_url=url)) as client:
            put = await events.make_put_request(client, "lake", ContentType="text/csv")
            assert requests == []
            await client.put_object(Bucket="lake", Key="k", Body=b"")
    assert (put.method, put.url) == ("PUT", f"{url}/lake/k")
    assert put.headers["Content-Type"] in ("text/csv", b"text/csv")
    assert b"AWS4-HMAC-SHA256" in bytes(put.headers["Authorization"])
    assert len(requests) == 1


async def test_http_session_a_request_uses_what_the_hooks_made(keys, monkeypatch):
    """Connector, sessions by proxy, time-outs, the exit stack that closes them."""
    made = []
    make_connector = StrictSession.make_connector
    monkeypatch.setattr(
        StrictSession, "make_connector", lambda *a: made.append(make_connector(*a)) or made[-1]
    )
    with scripted_s3(lambda request: Answer(200)) as (url, requests):
        async with StrictSession(timeout=(1, 7), max_pool_connections=3) as strict:
            await strict.send(AWSRequest("GET", url).prepare())
            await strict.send(AWSRequest("GET", url).prepare())
            (connector,) = made
            (session,) = strict._sessions.values()
            assert (connector.limit, session.timeout.sock_read) == (3, 7)
            assert session._retry_connection is False
            plain = strict.make_plain_connector()
            assert plain.limit == 3
            await plain.close()
        assert session.closed
    assert len(requests) == 2


async def test_http_session_makes_requests_by_itself():
    """If no subclass has anything to add."""
    with scripted_s3(lambda request: Answer(200)) as (url, requests):
        async with HttpSession(proxies_by=ProxyConfiguration(), timeout=60) as session:
            answer = await session.send(AWSRequest("GET", url).prepare())
    assert (answer.status_code, len(requests)) == (200, 1)


async def test_http_session_aiohttp_asks_again_by_itself():
    """If this fails, its session has another name for that."""
    async with aiohttp.ClientSession() as session:
        assert session._retry_connection is True
        assert "_retry_connection" in inspect.getsource(aiohttp.ClientSession._request)


async def test_core_session_clients_have_no_methods_for_files(keys):
    """And aioboto3 would add them by the method that the hook replaces."""
    async with core_session.ClientSession().client("s3") as client:
        assert not hasattr(client, "upload_fileobj")
    async with aioboto3.Session().client("s3") as client:
        assert hasattr(client, "upload_fileobj")


def test_core_session_a_configs_own_options_are_known():
    """Those that were given, and no defaults."""
    from botocore.config import Config

    assert core_session.given_options(Config(read_timeout=3)) == {"read_timeout": 3}
    assert core_session.given_options(None) == {}


def refreshable(kind=AioRefreshableCredentials):
    """Credentials of a kind that expire in an hour, and the list of how often they were made."""
    made = []

    async def make():
        made.append(1)
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return {
            "access_key": f"KEY{len(made)}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": until.isoformat(),
        }

    if kind is AioDeferredRefreshableCredentials:
        return kind(make, "test"), made
    return kind("KEY0", "s", "t", dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), make, "t"), made


@pytest.mark.parametrize("kind", [AioRefreshableCredentials, AioDeferredRefreshableCredentials])
async def test_credentials_are_fetched_by_the_function_that_was_put_in_place(kind):
    """When they are asked for, and whenever that is forced."""
    made_by_hook, told = [], []
    held, made = refreshable(kind)
    refresh = credentials.refresh_of(held)

    async def watched():
        made_by_hook.append(1)
        return await refresh()

    credentials.refresh_by(held, watched)
    assert credentials.is_refreshable(held)
    assert credentials.are_valid(held) == (kind is AioRefreshableCredentials)
    with credentials.refresh_forced(held):
        told.append((await held.get_frozen_credentials()).access_key)
        told.append((await held.get_frozen_credentials()).access_key)
    told.append((await held.get_frozen_credentials()).access_key)
    assert told == ["KEY1", "KEY2", "KEY2"]
    assert len(made) == len(made_by_hook) == 2
    assert credentials.are_valid(held)


def test_credentials_that_never_expire_have_no_refresh():
    """Keys of the environment, for example."""
    lasting = aiobotocore.credentials.AioCredentials("KEY", "secret")
    assert credentials.refresh_of(lasting) is None
    assert not credentials.is_refreshable(lasting)


def test_credentials_times_of_expiry_are_read_as_botocore_does():
    """With their zone."""
    assert credentials.read_expiry("2022-05-02T12:00:00Z") == dt.datetime(
        2022, 5, 2, 12, tzinfo=dt.UTC
    )


async def test_credentials_of_a_container_are_asked_for_by_the_hooks_session(session, monkeypatch):
    """And the token that goes along is told, as are time-outs."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/keys")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-token")
    provider = session.get_component("credential_provider").get_provider("container-role")
    asked, told = [], []

    class Fetched(Exception):
        """Nothing is sent."""

    class HttpSession:
        def acquire(self):
            asked.append("acquired")
            raise Fetched

    credentials.fetch_from_container_by(
        provider, lambda timeout: asked.append(timeout) or HttpSession(), told.append
    )
    loaded = aiobotocore.credentials.AioContainerProvider.load(provider)
    with pytest.raises(Fetched):
        await loaded
    assert asked == [2, "acquired"]
    assert told == ["a-token"]


async def test_credentials_of_the_machine_are_asked_for_by_the_hooks_session(session):
    """At the address that the provider has."""
    provider = session.get_component("credential_provider").get_provider("iam-role")
    assert credentials.metadata_url(provider) == "http://169.254.169.254/"
    made = []
    credentials.fetch_metadata_by(provider, lambda timeout: made.append(timeout) or "mine")
    assert made == [1]
    assert "self._session.acquire()" in inspect.getsource(
        aiobotocore.utils.AioIMDSFetcher._get_request
    )
    assert provider._role_fetcher._session == "mine"


async def test_credentials_of_processes_and_roles_come_by_the_hooks(session):
    """A command is run by another function, and each role is told with its profile."""
    resolver = session.get_component("credential_provider")
    commands, roles = [], []

    async def ask(command):
        commands.append(command)
        return {"access_key": "KEY", "secret_key": "s", "token": None, "expiry_time": None}

    process = resolver.get_provider("custom-process")
    credentials.ask_processes_by(process, ask)
    session.full_config["profiles"]["lake"] = {"credential_process": "make-keys"}
    loaded = await aiobotocore.credentials.AioProcessProvider.load(process)
    assert (commands, loaded.access_key) == (["make-keys"], "KEY")

    role = resolver.get_provider("assume-role")

    async def made(profile):
        return f"of {profile}"

    role._load_creds_via_assume_role = made
    credentials.watch_roles(role, lambda *told: roles.append(told))
    assert await role._load_creds_via_assume_role("lake") == "of lake"
    assert roles == [("of lake", "lake")]


def test_credentials_mfa_codes_and_tokens_come_by_the_hooks(session):
    """What the providers hand on to their fetchers."""
    resolver = session.get_component("credential_provider")
    role, sso = resolver.get_provider("assume-role"), resolver.get_provider("sso")
    cache = credentials.TokenFiles()
    assert {"_prompter"} <= vars(role).keys()
    assert {"_token_cache", "_token_provider"} <= vars(sso).keys()
    credentials.take_mfa_codes(role, str.upper)
    credentials.keep_tokens_in(sso, cache, session, "people")
    assert role._prompter == str.upper
    assert sso._token_cache is sso._token_provider._cache is cache


def test_credentials_token_files_are_where_the_aws_cli_keeps_them(tmp_path):
    """In the form that it reads."""
    cache = credentials.TokenFiles()
    assert cache.folder.endswith("/.aws/sso/cache")
    until = dt.datetime(2022, 5, 2, 12, tzinfo=dt.UTC)
    assert cache.dump({"expiresAt": until}) == '{"expiresAt": "2022-05-02T12:00:00Z"}'


@pytest.mark.parametrize("corrected", [True, False])
async def test_signing_the_hook_says_when_a_request_is_signed(keys, corrected):
    """It is told with what, and its time is in header, scope and signature."""
    told = []

    def choose(frozen):
        told.append(frozen.access_key)
        return (lambda: "20010203T040506Z") if corrected else None

    with scripted_s3(lambda request: Answer(200)) as (url, requests):
        async with aioboto3.Session().client("s3", endpoint_url=url) as client:
            signing.choose_signers(client, choose)
            await client.head_object(Bucket="lake", Key="k")
    (request,) = requests
    assert told == ["AKIAEXAMPLE"]
    assert (request.headers["x-amz-date"] == "20010203T040506Z") == corrected
    assert ("/20010203/us-east-1/s3/" in request.headers["authorization"]) == corrected


async def test_models_are_read_by_the_quick_loader(keys, monkeypatch):
    """All that a client is made of."""
    read = []
    load_file = QuickFiles.load_file
    monkeypatch.setattr(
        QuickFiles, "load_file", lambda *a: read.append(a[1].rpartition("/")[2]) or load_file(*a)
    )
    async with open_client(S3Options("lake", connections=1)):
        pass
    assert {"endpoints", "service-2", "endpoint-rule-set-1"} <= set(read)
