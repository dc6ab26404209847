# Everything a newcomer needs: `make demo` shows the mesh, `make test` proves it.
.PHONY: demo test test-kube bench bench-kube soak fuzz

demo: cargo
	cargo build --release --locked --workspace --bins
	cargo run --release --locked --quiet --bin meshctl -- up -f samples/bookinfo

test: cargo
	cargo xtask ci

# Everything that runs on a real Kubernetes, which it starts itself; builds that once, for minutes.
test-kube: cargo
	cargo xtask kube

bench: cargo
	cargo xtask bench

# What mesh takes and how fast it is on a real Kubernetes, which it starts itself.
bench-kube: cargo
	cargo xtask bench --kube

# Ten minutes of mixed load; SOAK_SECONDS=60 is a try.
SOAK_SECONDS ?= 600
soak: cargo
	cargo xtask soak --seconds $(SOAK_SECONDS)

# Seconds of each fuzzer.
FUZZ_SECONDS ?= 60
fuzz: cargo
	cargo xtask fuzz --seconds $(FUZZ_SECONDS)

.PHONY: images dist
# A root file system and an OCI archive of each program, in target/images.
images: cargo
	cargo xtask images

# The release archive, in target/dist.
dist: cargo
	cargo xtask dist

.PHONY: cargo
cargo:
	@command -v cargo >/dev/null || { echo "mesh needs Rust (https://rustup.rs) and a C compiler"; exit 1; }
	@command -v cc >/dev/null || { echo "mesh needs a C compiler: install gcc or clang"; exit 1; }
