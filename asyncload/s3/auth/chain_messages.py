"""Error messages and hints for failures of the AWS credential chain."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore import exceptions as boto

from asyncload.errors import AsyncloadError, CredentialsMissing
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.proxy_words import describe_proxy_failure
from asyncload.source.file_state import permission_hint

_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a --profile, "
    "or give the machine or container a role"
)
_NAMES = {
    "env": "the environment variables",
    "assume-role": "the role of profile {profile!r}",
    "assume-role-with-web-identity": "the web identity (AWS_WEB_IDENTITY_TOKEN_FILE, or profile "
    "{profile!r})",
    "shared-credentials-file": "the credentials file, profile {profile!r}",
    "config-file": "the config file, profile {profile!r}",
    "custom-process": "the credential_process of profile {profile!r}",
    "sso": "SSO, profile {profile!r}",
    "container-role": "the container's credentials endpoint (ECS or EKS Pod Identity)",
    "iam-role": "the metadata service of the machine",
    "ec2-credentials-file": "AWS_CREDENTIAL_FILE",
    "boto-config": "the boto configuration (BOTO_CONFIG)",
}
_SSO_EXPIRED = (
    boto.UnauthorizedSSOTokenError,
    boto.SSOTokenLoadError,
    boto.TokenRetrievalError,
)


class Reason(NamedTuple):
    """The cause of a failure, and a hint."""

    text: str
    hint: str


class Provider(NamedTuple):
    """One provider of the chain: botocore's name, its profile, and the whole configuration."""

    method: str
    profile: str
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in messages."""
        return _NAMES.get(self.method, self.method).format(profile=self.profile)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of its profile."""
        settings: Mapping[str, Any] = self.config.get("profiles", {}).get(self.profile, {})
        return settings


@contextmanager
def explaining(provider: Provider, secrets: Secrets) -> Iterator[None]:
    """Convert any error of a provider in the body to a `CredentialsMissing` that explains it."""
    try:
        yield
    except AsyncloadError:
        # Already converted: an error of a provider that this one called.
        raise
    except Exception as error:
        raise explain(error, provider, secrets) from error


def explain(error: Exception, provider: Provider, secrets: Secrets) -> CredentialsMissing:
    """Return our error for a provider's failure.

    Args:
        error: the error: botocore's, the system's, or any other.
        provider: the provider that failed.
        secrets: texts that must not be in the message.
    """
    # The cause may be printed, too.
    error.args = tuple(secrets.redact(a) if isinstance(a, str) else a for a in error.args)
    reason = _find_reason(error, provider, secrets)
    return CredentialsMissing(
        f"no AWS credentials from {provider.name}: {reason.text}", hint=reason.hint
    )


def _find_reason(error: Exception, provider: Provider, secrets: Secrets) -> Reason:
    said = secrets.redact(error)
    return (
        _reason_of_person(error, provider)
        or _reason_of_request(error, secrets)
        or _reason_of_configuration(error, provider, said)
        or Reason(said if isinstance(error, boto.BotoCoreError) else _with_type(error, said), _HINT)
    )


def _reason_of_person(error: Exception, provider: Provider) -> Reason | None:
    """Return the reason if a person has to act."""
    if provider.method == "sso" and _asks_for_login(error):
        return Reason(
            "the SSO session has expired or was never started",
            f"run `aws sso login --profile {provider.profile}`",
        )
    if isinstance(error, boto.RefreshWithMFAUnsupportedError):
        return Reason(
            "its session has expired, and a new one needs an MFA code",
            "run again and enter a new code; uploaded files are kept. A larger duration_seconds in "
            "the profile makes sessions last longer",
        )
    return None


def _reason_of_request(error: Exception, secrets: Secrets) -> Reason | None:
    """Return the reason if a service refused or did not answer."""
    if isinstance(error, boto.ClientError):
        told = error.response.get("Error", {})
        said = secrets.redact(f"{told.get('Code', '')}: {told.get('Message', '')}")
        return Reason(
            f"{error.operation_name} was answered with {said}",
            "check the role, its trust policy and the profile; `aws sts get-caller-identity` with "
            "the same profile shows the same error",
        )
    if isinstance(error, boto.SSLError):
        return Reason(
            f"the certificate of {_host_of(error)} is not trusted: "
            f"{secrets.redact(error.kwargs.get('error'))}",
            "name the CA bundle with AWS_CA_BUNDLE or --ca-bundle",
        )
    if isinstance(error, boto.ProxyConnectionError):
        failure = describe_proxy_failure(error, secrets)
        return Reason(failure.text, failure.hint)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        cause = error.kwargs.get("error") or error
        return Reason(
            f"no answer from {_host_of(error)}: {secrets.redact(cause) or type(cause).__name__}",
            "check the network and the proxy settings",
        )
    return None


def _reason_of_configuration(error: Exception, provider: Provider, said: str) -> Reason | None:
    """Return the reason if a file, a variable or a profile is wrong."""
    if isinstance(error, OSError) and error.filename is not None:
        return Reason(f"{str(error.filename)!r} can't be read: {error.strerror}", _file_hint(error))
    if isinstance(error, boto.InfiniteLoopConfigError | boto.InvalidConfigError):
        return Reason(said, "correct the profile in the AWS configuration")
    if isinstance(error, boto.PartialCredentialsError):
        return Reason(f"{error.kwargs['cred_var']} is missing", _HINT)
    if isinstance(error, boto.NoRegionError):
        return Reason(said, "give the region with --region or AWS_DEFAULT_REGION")
    if provider.method == "container-role" and "Unsupported host" in said:
        return Reason(
            f"AWS_CONTAINER_CREDENTIALS_FULL_URI: {said}",
            "unset it, or set it to the container's own endpoint",
        )
    if provider.method == "container-role" and "Auth token" in said:
        return Reason(
            "AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file that "
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, contains a line break",
            "remove the line break: `echo` adds one (use `printf %s`)",
        )
    return None


def _with_type(error: Exception, said: str) -> str:
    name = "the answer lacks" if isinstance(error, KeyError) else f"{type(error).__name__}:"
    return f"{name} {said}" if said else type(error).__name__


def explain_configuration(error: Exception) -> CredentialsMissing:
    """Return the error for a file of the AWS configuration that can't be parsed."""
    path = error.kwargs["path"]  # type: ignore[attr-defined]  # botocore's errors are untyped
    cause = error.kwargs.get("error")  # type: ignore[attr-defined]  # as above
    reason, hint = "it can't be parsed", "correct the file; `aws configure list` shows the same"
    if _begins_with_mark(path):
        reason = "it begins with a byte order mark (BOM)"
        hint = "save the file as UTF-8 without BOM"
    elif isinstance(cause, UnicodeDecodeError):
        reason, hint = "it is not UTF-8", "save the file as UTF-8"
    elif isinstance(cause, configparser.Error):
        # The parser's message repeats the line, which may contain a secret.
        lines = [line for line, _ in getattr(cause, "errors", ())]
        line = getattr(cause, "lineno", None) or (lines[0] if lines else None)
        reason = f"line {line} can't be parsed" if line else reason
    return CredentialsMissing(f"the AWS configuration {path!r} can't be used: {reason}", hint=hint)


def unreadable_file(paths: Mapping[str, str]) -> CredentialsMissing | None:
    """Return the error for the first file of the AWS configuration that can't be read.

    botocore ignores unreadable files, and files that are named but missing.

    Args:
        paths: the files, by the variables that name them.
    """
    for variable, name in paths.items():
        # Unlike pathlib, this works without a home directory.
        path = Path(os.path.expanduser(os.path.expandvars(name)))  # noqa: PTH111  # see above
        try:
            with path.open("rb"):
                continue
        except (FileNotFoundError, NotADirectoryError) as error:
            if name.startswith("~/.aws/"):
                continue
            reason, hint = error.strerror, f"correct {variable}; in a container, mount the file"
        except OSError as error:
            reason = error.strerror
            hint = f"{permission_hint(_nearest_status(path))}; or name another file in {variable}"
        return CredentialsMissing(
            f"the AWS configuration {str(path)!r} can't be read: {reason}", hint=hint
        )
    return None


def _nearest_status(path: Path) -> os.stat_result | None:
    """Return the status of a file, or of the nearest folder above it that has one."""
    for place in (path, *path.parents):
        with suppress(OSError):
            return place.stat()
    return None  # pragma: no cover  # there is a root


def _begins_with_mark(path: str) -> bool:
    try:
        begin = Path(path).read_bytes()[:4]
    except OSError:
        return False
    return begin.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))


def _asks_for_login(error: Exception) -> bool:
    return isinstance(error, _SSO_EXPIRED) or (
        isinstance(error, boto.ClientError)
        and error.response.get("Error", {}).get("Code")
        in ("UnauthorizedException", "InvalidGrantException")
    )


def _file_hint(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return (
            f"let this process (UID {os.getuid()}) read it: in Kubernetes, set fsGroup or "
            "runAsUser in the pod's securityContext"
        )
    return (
        "check the variable or profile that names it; in Kubernetes, check that the token is "
        "mounted "
        "(the service account, and the add-on or webhook that mounts it)"
    )


def _host_of(error: Any) -> str:
    """Return scheme and host of a URL: path and query may contain secrets."""
    parts = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "it"
