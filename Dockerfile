# The program as a container image, for Airbyte and for whatever else runs containers:
#
#     docker build --tag source-zendesk-chat .
#     docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/config" source-zendesk-chat \
#         check --config /config/config.json
#
# As that user, since `login` writes a configuration that nobody else can read.

# Both stages are of one release of Debian, so that the program meets the C library that it was linked with.
FROM rust:1.95-slim-trixie AS build
WORKDIR /build
# rust-toolchain.toml stays out: it would fetch another Rust.
COPY Cargo.toml Cargo.lock spec.json ./
COPY schemas schemas
COPY src src
RUN cargo build --release --locked

# Debian rather than Alpine: musl's allocator makes threads wait for each other. And Airbyte needs a shell.
FROM debian:trixie-slim
# The newest certificates are wanted, and Debian serves no other version for long.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 airbyte \
    && useradd --uid 1000 --gid 1000 --create-home --home-dir /airbyte airbyte
COPY LICENSE /usr/share/doc/source-zendesk-chat/
COPY --from=build /build/target/release/source-zendesk-chat /usr/local/bin/
LABEL io.airbyte.name="source-zendesk-chat" \
      io.airbyte.version="0.1.0"
# Airbyte starts the program by this and not by the entry point.
ENV AIRBYTE_ENTRYPOINT="/usr/local/bin/source-zendesk-chat"
WORKDIR /airbyte
# The user airbyte, by its number: of a name Kubernetes cannot tell that it is not root.
USER 1000:1000
ENTRYPOINT ["/usr/local/bin/source-zendesk-chat"]
