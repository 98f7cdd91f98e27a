"""What `s3` relies on in private parts of botocore and aiobotocore: it fails where they change."""

from __future__ import annotations

import inspect
import ssl

import aiobotocore.credentials
import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials, AioRefreshableCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiobotocore.utils import AioContainerMetadataFetcher, AioInstanceMetadataFetcher
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.utils import JSONFileCache

from asyncload.errors import UsageError
from asyncload.s3 import S3Options, open_store
from asyncload.s3.auth.chain import ChainSession
from asyncload.s3.auth.patience import Patience
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.client.session import StrictSession
from tests.support.scripted_s3 import Answer, scripted_s3


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
    """Of those that hand out credentials, with whatever configuration botocore asks for them."""
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
        assert provider.load.__name__ == "load_in_words", provider
    for provider in roles._profile_provider_builder.providers("people", disable_env_vars=True):
        assert provider.load.__name__ == "load_in_words", provider


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
