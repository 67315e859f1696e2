# The image of bluebucket: one static binary and the certificates of the public authorities, nothing else.
#
#     docker build -t bluebucket .
#     docker run --read-only -p 9000:9000 --env-file bluebucket.env bluebucket
#
# Needs no BuildKit. docs/image.md says how to run it; docker-compose.yml also builds the stage `azurite`.
#
# The gateway is built by counts of what it runs (bench/pgo), which takes twice as long, and the program must
# run while it is built. `--build-arg GUIDED=no` builds it once.

# The toolchain of rust-toolchain.toml and the Azurite of src/server/azurite: tests/it/image.rs compares them.
ARG RUST_VERSION=1.95.0
ARG AZURITE_VERSION=3.37.0

# Azurite, for docker-compose.yml: `docker build --target azurite .`
FROM node:22-bookworm-slim AS azurite
ARG AZURITE_VERSION
WORKDIR /azurite
# No scripts: Azurite needs none of its dependencies' and they are strangers' code.
RUN npm install --no-audit --no-fund --no-update-notifier --ignore-scripts --omit=dev --loglevel=error \
        "azurite@${AZURITE_VERSION}" \
    && mkdir /data && chown 10001:10001 /data
USER 10001:10001
VOLUME /data
EXPOSE 10000
HEALTHCHECK --interval=5s --timeout=5s --retries=12 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:10000/devstoreaccount1?comp=list').catch(() => process.exit(1))"]
ENTRYPOINT ["node", "node_modules/azurite/dist/src/blob/main.js", "--blobHost", "0.0.0.0", "--location", "/data", \
    "--skipApiVersionCheck", "--silent", "--disableTelemetry"]

FROM rust:${RUST_VERSION}-slim-bookworm AS build
# musl, so that the binary is static, names are resolved in it too, and the image needs no libc; make for jemalloc.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates make musl-tools \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /source
ARG GUIDED=yes
RUN test "${GUIDED}" = no || rustup component add llvm-tools
# Built once, the dependencies come first, in a layer that a change of ours leaves alone.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
# Of the members of the workspace that are not built here only the manifests are read.
COPY md5-lanes/Cargo.toml md5-lanes/
COPY md5-lanes/src md5-lanes/src
COPY bench/Cargo.toml bench/
COPY strict-azure/Cargo.toml strict-azure/
RUN mkdir -p src tests/it bench/src strict-azure/src \
    && touch src/lib.rs tests/it/main.rs strict-azure/src/lib.rs \
    && echo 'fn main() {}' | tee bench/src/main.rs > src/main.rs \
    && if [ "${GUIDED}" = no ]; then \
        cargo build --release --locked --package bluebucket --target "$(uname -m)-unknown-linux-musl"; \
    fi
COPY src src
# What is measured, and how, where it is built by that.
COPY bench bench
COPY strict-azure strict-azure
RUN touch src/lib.rs src/main.rs bench/src/main.rs strict-azure/src/lib.rs \
    && if [ "${GUIDED}" = no ]; then \
        cargo build --release --locked --package bluebucket --target "$(uname -m)-unknown-linux-musl" \
        && cp "target/$(uname -m)-unknown-linux-musl/release/bluebucket" /bluebucket; \
    else \
        bench/pgo "$(uname -m)-unknown-linux-musl" && cp target/pgo/bluebucket /bluebucket; \
    fi

FROM scratch AS gateway
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /bluebucket /bluebucket
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
# In a container the outside is another network: what may reach these ports is said by who runs it.
ENV BLUEBUCKET_LISTEN=0.0.0.0:9000 BLUEBUCKET_ADMIN_LISTEN=0.0.0.0:9001
EXPOSE 9000 9001
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["/bluebucket", "healthcheck"]
ENTRYPOINT ["/bluebucket"]
CMD ["serve"]
