# Two stages: the first installs and throws its tools away, the second holds what runs. The second
# needs no shell, and neither does the service. `scripts/image` builds this on a root of Debian's
# packages; see docs/release.md.

# What runs: Python 3.11 or newer. Name it by its digest where an image is to be made again.
ARG BASE=python:3.12-slim
# The same Python at the same place, with venv and a shell.
ARG BUILD_BASE=${BASE}

# hadolint ignore=DL3006
FROM ${BUILD_BASE} AS build
# Where no package index is reached: a folder with the wheels of the lock, and 1.
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ARG REVISION=unknown
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# What is installed: requirements-otel.lock is the same with the extra `otel` (traces).
ARG LOCK=requirements.lock
# The lock changes less often than the code: a layer of its own.
COPY requirements.lock requirements-otel.lock ./
# --no-deps: what the lock names and nothing else, as in scripts/environment.
RUN pip install --no-deps --no-compile --require-hashes -r "${LOCK}"
COPY pyproject.toml hatch_build.py README.md CHANGELOG.md LICENSE NOTICE ./
COPY cds_service cds_service
# Compiled last, without the times of files in it: the same source gives the same bytes.
RUN SOURCE_COMMIT="${REVISION}" pip install --no-deps --no-compile --no-build-isolation . \
    && pip check \
    && pip uninstall --yes hatchling packaging pathspec pluggy tomlkit trove-classifiers \
    && pip uninstall --yes pip setuptools \
    && find /opt/venv -name __pycache__ -prune -exec rm -rf {} + \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib \
    && install --directory --mode=0770 /out/cds-service

# hadolint ignore=DL3006
FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cds-service" \
      org.opencontainers.image.description="CDS Hooks service for heterotopic ossification around hip arthroplasty" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/venv /opt/venv
# Any user may run it: a platform that picks the number puts it into group 0.
COPY --from=build --chown=10001:0 /out /var/lib
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CDS_HOST=0.0.0.0 \
    CDS_PORT=8000 \
    CDS_DATA_DIR=/var/lib/cds-service
USER 10001:0
VOLUME /var/lib/cds-service
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['CDS_PORT'] + '/health/live', timeout=3)"]
ENTRYPOINT ["cds-service"]
CMD ["serve"]
