# The server and the command line in one image. The one thing to know: it holds no key and no default for a secret.

FROM node:24-slim AS pages
WORKDIR /app/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --ignore-scripts --no-progress
COPY schema.graphql /app/
COPY web ./
RUN npm run build

FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /opt/xinyi
ENV PATH=/opt/xinyi/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Before the sources, so that a change of code does not install the dependencies again.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY . .
COPY --from=pages /app/web/dist ./web/dist
# Editable: rules and migrations are read from where they lie, beside the code.
RUN pip install --no-deps --no-build-isolation -e . && python -m compileall -q .

FROM python:3.12-slim
RUN groupadd --gid 10001 xinyi && useradd --uid 10001 --gid xinyi --no-create-home --shell /usr/sbin/nologin xinyi
WORKDIR /app
COPY --from=build /opt/xinyi /opt/xinyi
COPY --from=build /app /app
ENV PATH=/opt/xinyi/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 XINYI_ENVIRONMENT=production
# Where evidence files lie, unless XINYI_FILES says otherwise; a volume mounted here takes its owner over.
RUN install -d -m 0700 -o 10001 -g 10001 /files
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["xinyi"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
