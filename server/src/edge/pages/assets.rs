//! The files that pages ask for, inside the binary, under one hash of them all (`/a/{hash}/{file}`).
//!
//! One hash and not one each: the modules import each other by relative address, so they must change together.

use std::borrow::Cow;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::texts;

/// How a browser may keep an asset: for ever, as its address changes with its content.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// A file to serve.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its name, the last part of the address.
    pub file: &'static str,
    /// Its media type with the character set.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Cow<'static, [u8]>,
}

macro_rules! web {
    ($file:literal, $kind:expr, $path:literal) => {
        Asset {
            file: $file,
            media_type: $kind,
            bytes: Cow::Borrowed(include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../web/",
                $path
            ))),
        }
    };
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        web!("look.css", CSS, "css/look.css"),
        web!("list.css", CSS, "css/list.css"),
        web!("icon.svg", "image/svg+xml", "draw/icon.svg"),
        web!("hide.js", JS, "js/hide.js"),
        web!("names.js", JS, "js/names.js"),
        web!("wait.js", JS, "js/wait.js"),
        web!("room.js", JS, "js/room.js"),
        web!("state.js", JS, "js/state.js"),
        web!("view.js", JS, "js/view.js"),
        web!("words.js", JS, "js/words.js"),
        web!("net.js", JS, "js/net.js"),
        web!("composer.js", JS, "js/composer.js"),
        web!("drafts.js", JS, "js/drafts.js"),
        web!("sheet.js", JS, "js/sheet.js"),
        web!("card.js", JS, "js/card.js"),
        web!("asked.js", JS, "js/asked.js"),
        web!("holds.js", JS, "js/holds.js"),
        web!("holdview.js", JS, "js/holdview.js"),
        web!("desk.js", JS, "js/desk.js"),
        Asset {
            file: "texts.json",
            media_type: "application/json; charset=utf-8",
            bytes: Cow::Owned(texts::live_json().into_bytes()),
        },
    ]
});

static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS.iter() {
        hash.update(asset.file.as_bytes());
        hash.update([0]);
        hash.update(&asset.bytes);
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
});

/// The address of a file.
pub fn url(file: &str) -> String {
    debug_assert!(
        ASSETS.iter().any(|asset| asset.file == file),
        "no asset {file}"
    );
    format!("/a/{}/{file}", *HASH)
}

/// The asset of a name under a hash. An older hash finds nothing: a page of an older release loads anew.
pub fn find(hash: &str, file: &str) -> Option<&'static Asset> {
    if hash != *HASH {
        return None;
    }
    ASSETS.iter().find(|asset| asset.file == file)
}

/// The neutral icon, for `/favicon.ico`, which older browsers ask for by themselves.
pub fn icon() -> &'static Asset {
    ASSETS
        .iter()
        .find(|asset| asset.file == "icon.svg")
        .expect("the icon is in the list above")
}

/// All assets, for tests.
#[cfg(test)]
pub(crate) fn all() -> &'static [Asset] {
    &ASSETS
}
