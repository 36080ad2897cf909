//! Lists the files of the lexicon, so that a new one need not be named anywhere.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let folder = root.join("lexicon");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".toml") {
            names.push(name);
        }
    }
    names.sort();
    let mut code = String::from("const FILES: &[(&str, &str)] = &[\n");
    for name in names {
        writeln!(
            code,
            "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/lexicon/{name}\"))),"
        )?;
    }
    code.push_str("];\n");
    std::fs::write(
        PathBuf::from(std::env::var("OUT_DIR")?).join("lexicon.rs"),
        code,
    )?;
    let mut out = std::io::stdout().lock();
    std::io::Write::write_all(
        &mut out,
        b"cargo::rerun-if-changed=lexicon\ncargo::rerun-if-changed=build.rs\n",
    )?;
    Ok(())
}
