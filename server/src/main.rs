//! The binary.

fn main() -> std::process::ExitCode {
    engawa::cli::main()
}
