# syntax=docker/dockerfile:1
# Headrace in one image: gateway, worker, command line, and the chat page. It needs no Node when it runs.
#
#     docker build -t headrace --build-arg SOURCE_COMMIT="$(git describe --always --dirty --abbrev=40 --exclude '*')" .
#     docker run --rm --read-only headrace --help

FROM node:24-bookworm-slim AS page
WORKDIR /src
COPY gateway/web/package.json gateway/web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY gateway/web ./
RUN npm run build

FROM python:3.13-slim-bookworm AS package
WORKDIR /src
COPY deploy/image/build.lock deploy/image/runtime.lock ./deploy/image/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        -r deploy/image/build.lock \
    && python -m venv --without-pip /opt/headrace \
    && /opt/build/bin/pip --python /opt/headrace install --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: -r deploy/image/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
COPY worker ./worker
COPY shared ./shared
COPY deploy ./deploy
COPY --from=page /src/dist/page ./gateway/web/dist/page
# What /version says: the context has no history. Unknown where it is not given.
ARG SOURCE_COMMIT=
RUN SOURCE_COMMIT="$SOURCE_COMMIT" /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/headrace install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-bookworm
ARG SOURCE_COMMIT=
LABEL org.opencontainers.image.title="Headrace" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$SOURCE_COMMIT"
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin headrace
COPY --from=package /opt/headrace /opt/headrace
# One port for what people ask a gateway and for a worker's health; one for what is private at a gateway.
ENV PATH=/opt/headrace/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEADRACE_HOST=0.0.0.0 \
    HEADRACE_PORT=8000 \
    HEADRACE_ADMIN_HOST=0.0.0.0 \
    HEADRACE_ADMIN_PORT=9000 \
    HEADRACE_METRICS_HOST=0.0.0.0 \
    HEADRACE_METRICS_PORT=8000 \
    HEADRACE_LOG_FORMAT=json \
    HEADRACE_MODELS=/etc/headrace/models.toml
USER 10001:10001
EXPOSE 8000 9000
# Draining: see deploy/README.md for how long a process may be given.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["headrace"]
CMD ["gateway"]
