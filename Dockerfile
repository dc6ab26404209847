# The images of `cargo xtask images`, for who has Docker: docker build --target mesh-pilot .
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends iptables nftables
WORKDIR /mesh
COPY . .
RUN cargo xtask images

FROM scratch AS base
USER 1337:1337
WORKDIR /
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin
ENV GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=131072:glibc.malloc.top_pad=0:glibc.malloc.trim_threshold=65536:glibc.malloc.tcache_max=256

FROM base AS mesh-citadel
COPY --from=build /mesh/target/images/mesh-citadel/ /
ENTRYPOINT ["/usr/local/bin/mesh-citadel"]

FROM base AS mesh-mixer
COPY --from=build /mesh/target/images/mesh-mixer/ /
ENTRYPOINT ["/usr/local/bin/mesh-mixer"]

FROM base AS mesh-pilot
COPY --from=build /mesh/target/images/mesh-pilot/ /
ENTRYPOINT ["/usr/local/bin/mesh-pilot"]

FROM base AS mesh-proxy
COPY --from=build /mesh/target/images/mesh-proxy/ /
ENTRYPOINT ["/usr/local/bin/mesh-proxy"]

FROM base AS meshctl
COPY --from=build /mesh/target/images/meshctl/ /
ENTRYPOINT ["/usr/local/bin/meshctl"]
