# syntax=docker/dockerfile:1
# Two stages: the first installs and throws its tools away, the second holds what runs.

FROM python:3.12-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# The lock changes less often than the code: a layer of its own.
COPY requirements.lock ./
# --no-deps: what the lock names and nothing else, as in scripts/environment.
RUN pip install --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md CHANGELOG.md LICENSE NOTICE ./
COPY cds_service cds_service
RUN pip install --no-deps --no-build-isolation . \
    && pip check \
    && pip uninstall --yes hatchling packaging pathspec pluggy tomlkit trove-classifiers \
    && pip uninstall --yes pip

FROM python:3.12-slim
LABEL org.opencontainers.image.title="cds-service" \
      org.opencontainers.image.description="CDS Hooks service for heterotopic ossification around hip arthroplasty" \
      org.opencontainers.image.licenses="Apache-2.0"
# The base image brings pip; nothing is installed from here on.
RUN pip uninstall --yes pip \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin cds \
    && install --directory --owner=cds /var/lib/cds-service
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CDS_HOST=0.0.0.0 \
    CDS_PORT=8000 \
    CDS_DATA_DIR=/var/lib/cds-service
USER 10001
VOLUME /var/lib/cds-service
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['CDS_PORT'] + '/health/live', timeout=3)"]
CMD ["cds-service", "serve"]
