"""Read a secret from AWS: from the Parameter Store or from Secrets Manager."""

from __future__ import annotations

from typing import Any, Literal

from botocore import exceptions as boto

from asyncload.errors import (
    AccessDenied,
    CredentialsMissing,
    StoreRefused,
    StoreUnavailable,
    UsageError,
)
from asyncload.s3.auth.chain import ChainSession
from asyncload.s3.auth.patience import MACHINE_SECONDS, PERSON_SECONDS, Patience
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.client.logs import cap_loggers
from asyncload.s3.hooks.core_session import ClientSession
from asyncload.s3.options import S3Options

_ACTIONS = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}
_MISSING = ("ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_BUSY = ("ThrottlingException", "Throttling", "InternalServerError", "InternalServiceError")


async def read_secret(
    service: Literal["ssm", "secretsmanager"], name: str, options: S3Options, secrets: Secrets
) -> str:
    """Return a secret, by credentials of the standard AWS chain.

    Args:
        service: the Parameter Store of Systems Manager (`ssm`), or Secrets Manager.
        name: the parameter's name, or the secret's name or ARN.
        options: region, profile and CA bundle of the run.
        secrets: receives the chain's secrets, and the one that is read.

    Raises:
        UsageError: there is no such secret, or it is not a text.
        AccessDenied, CredentialsMissing, StoreRefused, StoreUnavailable: it can't be read.
    """
    cap_loggers()
    shown = f"{service}:{name}"
    try:
        core = ChainSession(
            options.profile,
            allow_http=False,
            authorities=options.ca_bundle,
            secrets=secrets,
            patience=Patience(machine=MACHINE_SECONDS, person=PERSON_SECONDS),
        )
        session = ClientSession(botocore_session=core, region_name=_region(name) or options.region)
        async with session.client(service) as client:
            answer = await _ask(client, service, name)
    except boto.ClientError as error:
        raise _meaning(error, service, shown, secrets) from error
    except boto.NoCredentialsError as error:
        raise CredentialsMissing(
            f"{shown} can't be read: no AWS credentials were found",
            hint="run `aws configure`, set AWS_PROFILE, or use a role",
        ) from error
    except (boto.EndpointConnectionError, boto.HTTPClientError) as error:
        raise StoreUnavailable(
            f"{shown} can't be read: {secrets.redact(error)}", hint="check network and --region"
        ) from error
    except boto.ProfileNotFound as error:
        raise UsageError(f"--profile: {secrets.redact(error)}") from error
    except (boto.BotoCoreError, ValueError) as error:
        raise UsageError(
            f"{shown} can't be read: {secrets.redact(error)}", hint="check --token and --region"
        ) from error
    if not isinstance(answer, str):
        raise UsageError(f"{shown} is not a text", hint="store the token as a string")
    secrets.add_value(answer.strip(), min_length=1)
    return answer


async def _ask(client: Any, service: str, name: str) -> Any:
    if service == "ssm":
        answer = await client.get_parameter(Name=name, WithDecryption=True)
        return answer["Parameter"]["Value"]
    return (await client.get_secret_value(SecretId=name)).get("SecretString")


def _region(name: str) -> str | None:
    """Return the region in an ARN; None for a name."""
    parts = name.split(":")
    return parts[3] or None if len(parts) > 5 and parts[0] == "arn" else None


def _meaning(
    error: boto.ClientError, service: str, shown: str, secrets: Secrets
) -> UsageError | StoreRefused | StoreUnavailable:
    found = error.response.get("Error", {})
    code, message = str(found.get("Code", "")), secrets.redact(found.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING:
        return UsageError(
            f"the token is missing: {shown} does not exist", hint="check its name and the region"
        )
    if code in _DENIED:
        return AccessDenied(
            f"{shown} can't be read: {message or code}",
            hint=f"permit {_ACTIONS[service]} on it, and kms:Decrypt on its key",
            code=code,
            status=status,
        )
    if code in _BUSY or status >= 500:
        return StoreUnavailable(f"{shown} can't be read: {code}: {message}", hint="run again")
    return StoreRefused(f"{shown} can't be read: {code}: {message}", code=code, status=status)
