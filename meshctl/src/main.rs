//! The `meshctl` binary; everything is in the library.
fn main() -> std::process::ExitCode {
    meshctl::main(std::env::args_os().collect())
}
