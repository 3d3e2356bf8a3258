# An object store to test with. The version is that of requirements-dev.txt.
FROM python:3.11-slim-bookworm
ARG MOTO
RUN python3 -m venv /store && /store/bin/pip install --quiet --no-cache-dir "moto[s3,server]==${MOTO}"
CMD ["/store/bin/moto_server", "--host", "0.0.0.0", "--port", "5000"]
