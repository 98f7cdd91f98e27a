"""All tools, by name."""

from __future__ import annotations

from benchmarks.peers import (
    aioboto3,
    asyncload,
    awscli,
    awscrt,
    boto3,
    curl,
    obstore,
    opendal,
    rclone,
    s5cmd,
)
from benchmarks.peers.peer import Peer

OURS = asyncload.PEER.name
UNOPTIMISED = asyncload.UNOPTIMISED.name
ON_DASK = asyncload.ON_DASK.name
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        asyncload.PEER,
        asyncload.UNOPTIMISED,
        asyncload.ON_DASK,
        s5cmd.PEER,
        obstore.PEER,
        opendal.PEER,
        awscrt.PEER,
        awscli.PEER,
        aioboto3.PEER,
        boto3.LOOP,
        boto3.THREADS,
        curl.PEER,
        rclone.PEER,
    )
}
