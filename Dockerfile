# Two images from one file: `runtime` (the default: worker, beat and the command line) and `sandbox` (the stand-in
# exchange and the trader, for the demo profile of docker-compose.yml only).
ARG PYTHON_IMAGE=python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea

# --- build: has pip and setuptools; nothing of it but /opt/rotator reaches an image ---------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv --without-pip /opt/rotator
COPY deploy/requirements-runtime.lock deploy/requirements-runtime.lock
RUN pip --python /opt/rotator/bin/python install --require-hashes --only-binary :all: \
        -r deploy/requirements-runtime.lock
# The build backend comes from the lock like everything else: its entry runs to the first line without a backslash.
COPY requirements.lock requirements.lock
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > /tmp/build.lock \
    && pip install --require-hashes --only-binary :all: -r /tmp/build.lock
# Only these two packages: what is not copied here cannot get into the wheel.
COPY pyproject.toml README.md ./
COPY config config
COPY worker worker
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && pip --python /opt/rotator/bin/python install --no-deps --no-index /tmp/wheels/*.whl

# --- base: what both images share -----------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS base
# The id is a number that no image in common use gives to anybody; files that are mounted can be given to it.
RUN groupadd --gid 10001 rotator \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin rotator \
    && install -d -o 10001 -g 10001 -m 0750 /run/rotator /run/identity \
    && pip uninstall --yes --quiet --root-user-action ignore pip
ENV PATH=/opt/rotator/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# --- sandbox: not for production ------------------------------------------------------------------------------------
FROM build AS sandbox-build
RUN for package in starlette uvicorn; do sed -n "/^$package==/,/[^\\\\]\$/p" requirements.lock; done \
        > /tmp/sandbox.lock \
    && pip --python /opt/rotator/bin/python install --require-hashes --no-deps --only-binary :all: \
        -r /tmp/sandbox.lock

FROM base AS sandbox
COPY --from=sandbox-build /opt/rotator /opt/rotator
WORKDIR /opt/rotator/demo
COPY sandbox sandbox
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["python", "-m", "sandbox", "--help"]

# --- runtime: last, so that a plain `docker build .` makes it -------------------------------------------------------
FROM base AS runtime
COPY --from=build /opt/rotator /opt/rotator
COPY deploy/healthcheck.py /opt/rotator/healthcheck.py
ENV ROTATOR_CONFIG=/etc/rotator/rotator.toml \
    ROTATOR_HEARTBEAT_FILE=/run/rotator/heartbeat
WORKDIR /run/rotator
USER 10001:10001
# A warm shutdown: the step in hand is finished, then the process ends. Allow more than its longest one.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/rotator/healthcheck.py"]
# The Procfile's worker; beat is the same image with the Procfile's other command.
CMD ["celery", "--quiet", "--app", "worker.app", "worker", "--loglevel", "INFO", \
     "--without-gossip", "--without-mingle", "--without-heartbeat"]
