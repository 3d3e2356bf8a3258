# The image of the production stack: every part of Airflow, and MLflow's server. docs/how-to/run-the-stack.md
ARG PYTHON_VERSION=3.11

ARG POSTGRES_IMAGE=postgres:17

# the server's own tools for backups, since an older pg_dump refuses a newer server; with all that they are linked
# against, since the server's image may be of another Debian
FROM ${POSTGRES_IMAGE} AS postgres
RUN mkdir /client && cd /client \
 && for tool in pg_dump pg_restore; do cp "$(readlink -f "$(command -v $tool)")" $tool; done \
 && for library in $(ldd pg_dump pg_restore | grep -o '/[^ ]*' | grep -v ':$' | sort -u); do cp -L $library .; done \
 && mv ld-linux* loader

FROM python:${PYTHON_VERSION}-slim-bookworm AS environment
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /opt/nightshift
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv .venv
COPY requirements.txt requirements-extras.txt ./
ARG EXTRAS=
# The lock names every package, so nothing is resolved; what has to be compiled has a wheel. pip's own lines are replaced
# by one for every 25 packages, since they name the address of the index
RUN .venv/bin/pip install --progress-bar off --no-deps --no-compile -r requirements.txt \
    ${EXTRAS:+-r requirements-extras.txt} \
  | while read -r word _; do case $word in \
        Collecting) count=$((count + 1)); ((count % 25)) || echo "downloaded $count packages" ;; \
        Installing) echo "downloaded all $count packages; installing them" ;; \
    esac; done
# what no task imports: tests of libraries, headers, type stubs, and pip itself. The rest is compiled by hash and not by
# time, so that the same lock yields the same files, and no process has to compile it when it starts
RUN echo "compiling to bytecode" \
 && .venv/bin/pip uninstall --quiet --yes pip setuptools \
 && cd .venv/lib/python3*/site-packages \
 && rm -rf pyarrow/include \
 && find numpy pandas pyarrow scipy sklearn matplotlib -type d -name tests -prune -exec rm -rf {} + \
 && find . \( -name '*.pyi' -o -name '*.pxd' \) -delete \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash .

FROM python:${PYTHON_VERSION}-slim-bookworm AS system
# LightGBM is linked against GNU's OpenMP
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libgomp1 >/dev/null \
 && groupadd --gid 50000 nightshift \
 && useradd --uid 50000 --gid 50000 --home-dir /var/lib/nightshift --no-create-home --shell /usr/sbin/nologin nightshift \
 && for folder in home airflow logs mlflow; do install -d -m 750 -o 50000 -g 50000 /var/lib/nightshift/$folder; done
COPY --from=postgres /client /opt/postgresql
RUN for tool in pg_dump pg_restore; do \
        printf '#!/bin/sh\nexec /opt/postgresql/loader --library-path /opt/postgresql /opt/postgresql/%s "$@"\n' $tool \
        > /usr/local/bin/$tool && chmod 755 /usr/local/bin/$tool; \
    done
# Nothing in the image installs software or changes the user: pip with the wheels and the settings that it came with,
# apt, dpkg and setuid. dpkg's list of packages stays, by which scanners know what is in the image
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && find /usr /opt/postgresql -depth \( -name pip -o -name 'pip[0-9-]*' -o -name ensurepip -o -name python-wheels \
        -o -name setuptools -o -name 'setuptools-*' -o -name _distutils_hack -o -name wheel -o -name 'wheel-*' \
        -o -name 'apt*' -path '*/bin/*' -o -name 'dpkg*' -path '*bin/*' \) -exec rm -rf {} + \
 && rm -rf /etc/pip.conf /root/.config /root/.cache /etc/apt /usr/lib/apt /usr/lib/dpkg /var/lib/apt /var/cache/* /var/log/* \
        /usr/share/man /usr/share/locale

# From scratch, since a layer above another hides its files and keeps their bytes
FROM scratch
COPY --from=system / /
COPY --from=environment /opt/nightshift/.venv /opt/nightshift/.venv
WORKDIR /opt/nightshift
COPY config config
COPY include include
COPY plugins plugins
COPY dags dags
COPY nightshift requirements.txt ./
ENV PATH=/opt/nightshift/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    container=oci \
    PYTHONPATH=/opt/nightshift:/opt/nightshift/config \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NIGHTSHIFT_HOME=/var/lib/nightshift/home \
    AIRFLOW_HOME=/var/lib/nightshift/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/nightshift/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/nightshift/plugins \
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/lib/nightshift/logs
RUN python -m compileall -q --invalidation-mode unchecked-hash config include plugins dags
USER nightshift
# refuses to start with a missing or default secret, and then becomes the command
ENTRYPOINT ["python", "-m", "include.ops.production.start"]
# A busy machine takes minutes to import the libraries. The start period delays no service that is healthy earlier.
HEALTHCHECK --interval=10s --timeout=30s --start-period=5m --retries=6 CMD ["python", "-m", "include.ops.production.health"]
CMD ["airflow", "version"]
# the commit, which records name; last, so that a new one makes no layer anew
ARG NIGHTSHIFT_CODE_VERSION=unknown
ENV NIGHTSHIFT_CODE_VERSION=${NIGHTSHIFT_CODE_VERSION}
