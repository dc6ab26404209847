//! Linker options that keep the sidecar small: one runs beside every replica.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux") {
        // Relative relocations as a bitmap: the long form is read, and so resident, at every start.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // Functions that are the same machine code are kept once.
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
