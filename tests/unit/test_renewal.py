"""Credentials that a store calls expired: others are fetched once for all who need them."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from asyncload.errors import CredentialsMissing, CredentialsRejected
from asyncload.s3.auth.lending import Lender, Lent, borrow
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.auth.refresh import Renewal

EXPIRED = CredentialsRejected("expired", code="ExpiredToken")


class Service:
    """Hands out KEY1, KEY2 and so on; `answer`, where it is set, instead of the next one.

    `asked` counts; `credentials` are botocore's, made by the first answer.
    """

    def __init__(self, minutes=60):
        self.asked = 0
        self.minutes = minutes
        self.answer = None
        self.credentials = AioRefreshableCredentials.create_from_metadata(
            self._next(), refresh_using=self._serve, method="test"
        )

    def _next(self):
        self.asked += 1
        until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=self.minutes)
        return {
            "access_key": f"KEY{self.asked}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": until.isoformat(),
        }

    async def _serve(self):
        await asyncio.sleep(0)
        return self._next() if self.answer is None else await self.answer()


class Store:
    """Serves requests signed with one of `accepted`; `asked` are the keys that were signed with."""

    def __init__(self, credentials, *accepted, error=EXPIRED):
        self.asked = []
        self._credentials = credentials
        self._accepted = accepted
        self._error = error

    async def __call__(self):
        key = (await self._credentials.get_frozen_credentials()).access_key
        self.asked.append(key)
        for _ in range(3):
            await asyncio.sleep(0)
        if key not in self._accepted:
            raise self._error
        return "served"


def renewal_of(credentials, forget=lambda: None, seconds=10.0):
    renewal = Renewal(Secrets())
    renewal.renew_by(credentials, forget, seconds=seconds)
    return renewal


async def test_one_renewal_serves_all_requests_that_failed_with_the_same_credentials():
    """Each is made twice, and what would serve the old ones again is forgotten first."""
    service, forgotten = Service(), []
    store = Store(service.credentials, "KEY2")
    renewal = renewal_of(service.credentials, lambda: forgotten.append(service.asked))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(renewal.repeat(store)) for _ in range(20)]
    assert {task.result() for task in tasks} == {"served"}
    assert store.asked == ["KEY1"] * 20 + ["KEY2"] * 20
    assert (service.asked, forgotten, renewal.count) == (2, [1], 1)
    assert await renewal.repeat(store) == "served"
    assert service.asked == 2


async def test_credentials_may_expire_more_than_once():
    """Each time they are renewed."""
    service = Service()
    renewal = renewal_of(service.credentials)
    for accepted in ("KEY2", "KEY3"):
        assert await renewal.repeat(Store(service.credentials, accepted)) == "served"
    assert service.asked == 3


async def test_others_that_are_rejected_too_are_not_renewed_again():
    """The request is made twice, and fails as the store says."""
    service = Service()
    store = Store(service.credentials)
    with pytest.raises(CredentialsRejected, match="expired"):
        await renewal_of(service.credentials).repeat(store)
    assert store.asked == ["KEY1", "KEY2"]


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"])
async def test_credentials_rejected_for_other_reasons_are_not_renewed(code):
    """Nothing is asked for."""
    service = Service()
    store = Store(service.credentials, error=CredentialsRejected("wrong", code=code))
    with pytest.raises(CredentialsRejected, match="wrong"):
        await renewal_of(service.credentials).repeat(store)
    assert (store.asked, service.asked) == (["KEY1"], 1)


@pytest.mark.parametrize("credentials", [AioCredentials("KEY1", "secret", "token"), None])
async def test_static_credentials_fail_as_the_store_says(credentials):
    """So does a client that has none."""
    asked = []

    async def ask():
        asked.append(credentials)
        raise EXPIRED

    with pytest.raises(CredentialsRejected, match="expired"):
        await renewal_of(credentials).repeat(ask)
    assert len(asked) == 1


async def test_the_same_credentials_again_do_not_count_as_new():
    """As from an environment variable that does not change: waiting requests fail, too."""
    service = Service()

    async def same():
        service.asked = 0
        return service._next()

    service.answer = same
    store = Store(service.credentials)
    renewal = renewal_of(service.credentials)
    failures = await asyncio.gather(
        *(renewal.repeat(store) for _ in range(3)), return_exceptions=True
    )
    assert failures == [EXPIRED] * 3
    assert store.asked == ["KEY1"] * 3
    assert renewal.count == 1


async def refuse():
    raise CredentialRetrievalError(provider="test", error_msg="not you")


async def hang():
    await asyncio.Event().wait()


async def outdated():
    return Service(minutes=-1)._next()


@pytest.mark.parametrize(
    ("answer", "says"),
    [(refuse, "not you"), (hang, "no answer within"), (outdated, "still expired")],
)
async def test_a_service_without_new_credentials_is_reported(answer, says):
    """With what it said, and what to look at; afterwards credentials are refreshed as before."""
    service = Service()
    service.answer = answer
    renewal = renewal_of(service.credentials, seconds=0.05)
    with pytest.raises(CredentialsMissing, match=says) as ended:
        await renewal.repeat(Store(service.credentials))
    assert ended.value.exit_code == 5
    assert "metadata service" in ended.value.hint
    assert not vars(service.credentials).keys() & {"refresh_needed"}


# Credentials of another process


def lending(credentials):
    renewal = Renewal(Secrets())
    renewal.renew_by(credentials, lambda: None, seconds=5)
    return renewal.lend


async def test_credentials_are_lent_as_they_are():
    """With their expiry, if they have one; nothing if requests are not signed."""
    service = Service()
    lent = await lending(service.credentials)()
    assert (lent.access_key, lent.secret_key, lent.token) == ("KEY1", "secret", "token")
    assert lent.expiry > dt.datetime.now(dt.UTC)
    assert "secret" not in repr(lent)
    fixed = await lending(AioCredentials("KEY", "secret", None))()
    assert fixed == Lent("KEY", "secret", None, None)
    assert await lending(None)() is None


async def test_a_borrowed_key_that_is_called_expired_is_renewed_once():
    """The second one to ask gets what the first one made."""
    service = Service()
    lend = lending(service.credentials)
    assert [(await lend("KEY1")).access_key for _ in range(2)] == ["KEY2", "KEY2"]
    assert service.asked == 2


async def test_a_fixed_key_that_is_called_expired_stays():
    """There is no other one: the run ends with the store's error."""
    lend = lending(AioCredentials("KEY", "secret", None))
    assert (await lend("KEY")).access_key == "KEY"


async def test_a_borrower_asks_for_new_credentials_before_they_expire():
    """It names the key that it has."""
    asked = []
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)

    async def ask(used):
        asked.append(used)
        return Lent(f"KEY{len(asked) + 1}", "secret", "token", later)

    credentials = borrow(Lender(Lent("KEY1", "secret", "token", soon), ask))
    for _ in range(2):
        assert (await credentials.get_frozen_credentials()).access_key == "KEY2"
    assert asked == ["KEY1"]


async def test_borrowed_credentials_without_expiry_are_fixed():
    """Nothing is asked."""
    credentials = borrow(Lender(Lent("KEY", "secret", None, None), None))
    assert (await credentials.get_frozen_credentials()).access_key == "KEY"
