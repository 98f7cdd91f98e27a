"""The raw zone of a test on a real server: commands against it, and objects put by hand."""

from __future__ import annotations

import json

from botocore.config import Config

DAY = "2022/05/02"
PLAIN = Config(request_checksum_calculation="when_required")
"""A client that sends no checksum: the store's ETag is all there is."""


class Zone:
    """The raw zone of a test: runs commands against it, and puts objects into it by hand."""

    def __init__(self, program, volume, server, layer, url=None):
        self.server = server
        self.client = server.client(PLAIN)
        self._program = program
        self._volume = volume
        self._layer = layer
        self._options = ["--bucket", server.bucket, "--endpoint-url", url or server.endpoint_url]
        self._options += ["--layer", layer]

    def run(self, *options, lane=True):
        """Load; returns exit code, records by path, and summary."""
        more = [] if lane else ["--no-fast-lane"]
        ended = self._do("run", self._volume, *options, "--json", *more)
        *lines, summary = map(json.loads, ended.out.replace('":_', '":0').splitlines())
        files = {line["path"]: line for line in lines if line["type"] == "file"}
        return ended.code, files, summary

    def run_in_words(self, *options):
        """Load; returns exit code and words."""
        ended = self._do("run", self._volume, *options)
        return ended.code, ended.out

    def words(self, command, *options):
        """Run a command on the volume; returns how it ended."""
        return self._do(command, self._volume, *options)

    def verify(self, *options):
        """Compare the volume; returns exit code and words."""
        ended = self._do("verify", self._volume, *options)
        return ended.code, ended.out

    def verify_manifest(self, run, *options):
        """Compare with a run's manifest; returns exit code and words."""
        ended = self._program("verify", *self._options, "--manifest", run, *options)
        return ended.code, ended.out + ended.err

    def key(self, dataset, path):
        return f"{self._layer}/Local/CSV/{dataset}/{DAY}/{path}"

    def replace(self, key, body):
        """Replace an object as programs do that keep its metadata."""
        where = {"Bucket": self.server.bucket, "Key": key}
        metadata = self.client.head_object(**where)["Metadata"]
        self.client.put_object(**where, Body=body, Metadata=metadata)

    def put_in_parts(self, key, body, part_size):
        where = {"Bucket": self.server.bucket, "Key": key}
        upload = where | {"UploadId": self.client.create_multipart_upload(**where)["UploadId"]}
        parts = []
        for number, at in enumerate(range(0, len(body), part_size), 1):
            piece = body[at : at + part_size]
            sent = self.client.upload_part(**upload, PartNumber=number, Body=piece)
            parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    def _do(self, command, *arguments):
        return self._program(command, *arguments, *self._options, "--date", "2022-05-02")
