//! AES-256-GCM over bodies, bound to the place they stand in.
//!
//! Sealed bytes are `nonce (12) ‖ ciphertext ‖ tag (16)`. The nonce is random, never a counter: a restored
//! backup would repeat a counter. What is sealed for one row and column does not open in another, so nobody
//! with a pen over the database can move a line into another mouth.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::ids::Chance;

/// Bytes of a data key.
pub const KEY_BYTES: usize = 32;
/// What sealing adds to a text: nonce and tag.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;
const NONCE_BYTES: usize = 12;

/// Where a sealed value stands. All of it is authenticated: table, row, column and the version of its key.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table; no colon in it.
    pub table: &'static str,
    /// The row's key as text; of several columns, joined by colons.
    pub row: &'a str,
    /// The column; no colon in it.
    pub column: &'static str,
    /// Counts the keys this place has had, from 1.
    pub key_version: i64,
}

impl<'a> Place<'a> {
    /// A place under its first key.
    pub const fn of(table: &'static str, row: &'a str, column: &'static str) -> Self {
        Self {
            table,
            row,
            column,
            key_version: 1,
        }
    }

    /// `table:row:column:key_version`. Only the row may hold colons, so no two places share this text.
    fn bytes(&self) -> Vec<u8> {
        debug_assert!(!self.table.contains(':') && !self.column.contains(':'));
        format!(
            "{}:{}:{}:{}",
            self.table, self.row, self.column, self.key_version
        )
        .into_bytes()
    }
}

/// A 256-bit key. Boxed, so that moving it leaves no copy behind; wiped when dropped; never cloned, never printed.
#[derive(ZeroizeOnDrop)]
pub struct DataKey(Box<[u8; KEY_BYTES]>);

impl DataKey {
    /// A new random one.
    pub fn new(chance: &dyn Chance) -> Self {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        chance.fill(&mut *key.0);
        key
    }

    /// Takes key bytes over; `None` when they are not 32. Whoever calls this wipes the source.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_BYTES {
            return None;
        }
        let mut key = Self(Box::new([0; KEY_BYTES]));
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    /// The bytes themselves, for wrapping under another key and for nothing else.
    pub(in crate::platform) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key for one purpose (HKDF-SHA-256). It tells nothing about this one, nor about those for other purposes.
    pub fn derive(&self, purpose: &str) -> Self {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        Hkdf::<Sha256>::new(None, &*self.0)
            .expand_multi_info(&[b"engawa:1:", purpose.as_bytes()], &mut *key.0)
            .expect("HKDF gives up to 255 times 32 bytes");
        key
    }

    /// HMAC-SHA-256 over `data`, under a sub-key that does nothing else.
    pub fn tag(&self, data: &[u8]) -> [u8; 32] {
        let key = self.derive("tag");
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*key.0)
            .expect("HMAC takes keys of any length");
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    /// Whether `tag` is what [`DataKey::tag`] gives for `data`; takes the same time wherever the difference lies.
    pub fn tag_fits(&self, data: &[u8], tag: &[u8]) -> bool {
        self.tag(data)[..].ct_eq(tag).into()
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&*self.0).expect("the key has 32 bytes")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// These bytes were not sealed for this place under this key, or they were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open here")]
pub struct Unsealable;

/// Seals bytes for one place.
pub fn seal(key: &DataKey, place: &Place<'_>, plain: &[u8], chance: &dyn Chance) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    chance.fill(&mut nonce);
    let payload = Payload {
        msg: plain,
        aad: &place.bytes(),
    };
    let ciphertext = key
        .cipher()
        .encrypt(&nonce.into(), payload)
        .expect("only texts above 64 GiB fail to seal");
    let mut sealed = Vec::with_capacity(NONCE_BYTES + ciphertext.len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    sealed
}

/// Opens what [`seal`] made for the same place under the same key. The caller wipes what must not linger.
pub fn open(key: &DataKey, place: &Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
    let (nonce, ciphertext) = sealed
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(Unsealable)?;
    let payload = Payload {
        msg: ciphertext,
        aad: &place.bytes(),
    };
    key.cipher()
        .decrypt(&(*nonce).into(), payload)
        .map_err(|_| Unsealable)
}

/// As [`open`], for text; bytes that are not UTF-8 were not sealed as text and count as changed.
pub fn open_text(key: &DataKey, place: &Place<'_>, sealed: &[u8]) -> Result<String, Unsealable> {
    String::from_utf8(open(key, place, sealed)?).map_err(|_| Unsealable)
}

/// As [`open`], for another key: the bytes between are wiped.
pub(in crate::platform) fn open_key(
    key: &DataKey,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<DataKey, Unsealable> {
    let bytes = Zeroizing::new(open(key, place, sealed)?);
    DataKey::from_bytes(&bytes).ok_or(Unsealable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::ids::{SeededChance, SystemChance};

    const HERE: Place<'static> = Place::of("message", "room:7", "body");

    fn key() -> DataKey {
        DataKey::new(&SeededChance::new(1))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_sealed_opens_again(plain in prop::collection::vec(any::<u8>(), 0..600)) {
            let sealed = seal(&key(), &HERE, &plain, &SystemChance);
            prop_assert_eq!(sealed.len(), plain.len() + SEAL_BYTES);
            prop_assert_eq!(open(&key(), &HERE, &sealed), Ok(plain));
        }

        #[test]
        fn any_changed_byte_is_noticed(
            plain in prop::collection::vec(any::<u8>(), 0..80),
            idx in any::<prop::sample::Index>(),
            flip in 1..=u8::MAX,
        ) {
            let mut sealed = seal(&key(), &HERE, &plain, &SystemChance);
            let idx = idx.index(sealed.len());
            sealed[idx] ^= flip;
            prop_assert_eq!(open(&key(), &HERE, &sealed), Err(Unsealable));
        }

        #[test]
        fn a_cut_end_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..80), idx in any::<prop::sample::Index>()) {
            let sealed = seal(&key(), &HERE, &plain, &SystemChance);
            let cut = &sealed[..idx.index(sealed.len())];
            prop_assert_eq!(open(&key(), &HERE, cut), Err(Unsealable));
        }

        #[test]
        fn only_the_same_place_opens(row in "[a-z0-9:]{0,12}", key_version in 1..9_i64) {
            let sealed = seal(&key(), &HERE, b"text", &SystemChance);
            let there = Place { row: &row, key_version, ..HERE };
            let same = row == HERE.row && key_version == HERE.key_version;
            prop_assert_eq!(open(&key(), &there, &sealed).is_ok(), same);
        }
    }

    #[test]
    fn p5_another_table_column_or_key_does_not_open() {
        let sealed = seal(&key(), &HERE, b"text", &SystemChance);
        for there in [
            Place {
                table: "draft",
                ..HERE
            },
            Place {
                column: "note",
                ..HERE
            },
        ] {
            assert_eq!(open(&key(), &there, &sealed), Err(Unsealable));
        }
        let other = DataKey::new(&SystemChance);
        assert_eq!(open(&other, &HERE, &sealed), Err(Unsealable));
        assert_eq!(
            open(&key().derive("other"), &HERE, &sealed),
            Err(Unsealable)
        );
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_way_twice() {
        let sealed = || seal(&key(), &HERE, b"text", &SystemChance);
        assert_ne!(sealed(), sealed());
    }

    #[test]
    fn keys_for_purposes_and_tags_are_steady_and_apart() {
        assert_eq!(
            key().derive("staff").expose(),
            key().derive("staff").expose()
        );
        assert_ne!(
            key().derive("staff").expose(),
            key().derive("audit").expose()
        );
        assert_ne!(&key().tag(b"a"), key().expose());
        assert!(key().tag_fits(b"a", &key().tag(b"a")));
        assert!(!key().tag_fits(b"b", &key().tag(b"a")));
        assert!(!key().tag_fits(b"a", &key().tag(b"a")[..31]));
    }

    #[test]
    fn p5_a_key_does_not_print() {
        assert_eq!(format!("{:?}", key()), "…");
    }
}
