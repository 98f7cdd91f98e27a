"""How long credentials are waited for."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.errors import CredentialsMissing
from asyncload.s3.auth.patience import Patience, describe_seconds
from tests.support.virtual_time import run_virtually


def test_machines_together_have_the_time_of_one():
    """The one that was asked last is named."""
    patience = Patience(machine=10)

    async def ask():
        async with patience.for_machine("the chain"):
            async with patience.for_machine("STS"):
                await asyncio.sleep(4)
            async with patience.for_machine("SSO"):
                await asyncio.sleep(7)

    async def main():
        with pytest.raises(CredentialsMissing, match="within 10 s: SSO did not answer"):
            await ask()

    assert run_virtually(main())[1] == 10


def test_a_machines_time_stands_still_while_a_person_acts():
    """And begins again afterwards; before that it shows what is waited for."""
    told = []
    patience = Patience(machine=10, person=300, quiet=2, warn=told.append)

    async def main():
        async with patience.for_machine("the role"):
            await asyncio.sleep(9)
            async with patience.for_person("the push approval"):
                await asyncio.sleep(1)
            async with patience.for_person("the MFA code", announce=False):
                await asyncio.sleep(100)
            async with patience.for_person("the login"):
                await asyncio.sleep(200)
            await asyncio.sleep(9)

    assert run_virtually(main())[1] == 319
    assert [warned.message for warned in told] == ["waiting for the login, up to 5 min"]


def test_a_person_who_acts_in_time_is_not_noticed():
    """Also where no machine waits beside."""
    told = []

    async def main():
        async with Patience(warn=told.append).for_person("the push approval"):
            await asyncio.sleep(1)

    assert (run_virtually(main())[1], told) == (1, [])


@pytest.mark.parametrize("within", [True, False])
def test_a_person_is_given_up_in_the_end(within):
    """With what was waited for."""
    patience = Patience(person=300)

    async def wait():
        async with patience.for_person("the MFA code"):
            await asyncio.sleep(1000)

    async def wait_within():
        async with patience.for_machine("the role"):
            await wait()

    async def main():
        with pytest.raises(CredentialsMissing, match="the MFA code took longer than 5 min"):
            await (wait_within() if within else wait())

    assert run_virtually(main())[1] == 300


@pytest.mark.parametrize("kind", ["for_machine", "for_person"])
def test_a_timeout_of_the_body_is_not_converted(kind):
    """It passes as it is."""

    async def main():
        with pytest.raises(TimeoutError, match="mine"):
            async with getattr(Patience(), kind)("it"):
                raise TimeoutError("mine")

    run_virtually(main())


def test_times_in_words():
    """Minutes where there are two."""
    assert [describe_seconds(seconds) for seconds in (10, 119, 300)] == ["10 s", "119 s", "5 min"]
